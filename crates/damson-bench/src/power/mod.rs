//! Power failures: what a disk holds that keeps only what it was told to keep.
//!
//! ```text
//!   subject: damson serve under strace, clients --> trace --> calls --> replay: disk, replies
//!                                                                          | at each cut
//!                                        judge of `crash` <-- look: node <-- images
//! ```
//!
//! In the end the model of all calls is compared with the directory that the process left, so that a call that was
//! overlooked shows.

mod calls;
mod disk;
mod look;
mod outcome;
mod replay;
mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::args::PowerArgs;
use crate::binary;
use crate::crash::chance::Chance;
use crate::crash::evidence::{Contents, Event};
use crate::crash::judge::Judge;
use crate::crash::progress::Progress;
use calls::{Call, Moment};
use disk::Keep;
use outcome::Outcome;
use replay::Replay;
use subject::Run;

/// Faults that are told in words; all are counted.
const TOLD_MAX: usize = 20;

/// Runs it and prints what came out. Fails when something that must hold did not.
pub fn run(args: &PowerArgs) -> anyhow::Result<ExitCode> {
    subject::check_strace()?;
    let began = Instant::now();
    let binary = binary::find(args.binary.as_deref())?;
    let root =
        tempfile::Builder::new().prefix("damson-power-").tempdir().context("no temporary directory")?;
    let mut progress = Progress::new();
    progress.tell(&format!("seed {}: tracing", args.seed));
    let runs = subject::run(&binary, root.path(), args.seed, args.requests)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut proof = Proof::new(args.seed, root.path(), runs)?;
    let chosen = proof.choose(args.cuts as usize);
    proof.replay(&chosen, |proof, cut| {
        progress.tell(&format!("cut {cut} of {}", chosen.len()));
        proof.cut(&runtime)
    })?;
    progress.end();
    if let Some(path) = proof.replay.disk.difference(&subject::data(root.path()))? {
        bail!("the trace does not explain {path}: something was not traced");
    }
    let mut outcome = proof.outcome;
    outcome.seconds = began.elapsed().as_secs_f64();
    match args.json {
        true => println!("{}", serde_json::to_string(&outcome)?),
        false => print!("{}", outcome.text()),
    }
    Ok(if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A traced run.
struct Traced {
    run: Run,
    calls: Vec<Call>,
    moments: Vec<Moment>,
}

struct Proof {
    seed: u64,
    image: PathBuf,
    runs: Vec<Traced>,
    replay: Replay,
    outcome: Outcome,
    told: usize,
}

impl Proof {
    fn new(seed: u64, root: &Path, runs: [Run; 2]) -> anyhow::Result<Self> {
        let traced = |run: Run| {
            let (calls, moments) = calls::parse(&std::fs::read_to_string(&run.trace)?)?;
            Ok(Traced { run, calls, moments })
        };
        let runs = runs.into_iter().map(traced).collect::<anyhow::Result<Vec<_>>>()?;
        let calls = || runs.iter().flat_map(|run| &run.calls);
        let is_sync = |call: &&Call| ["fsync", "fdatasync"].contains(&call.name.as_str());
        let outcome = Outcome {
            seed,
            calls: calls().count(),
            syncs: calls().filter(is_sync).count(),
            ..Outcome::default()
        };
        let data = subject::data(root).display().to_string();
        Ok(Self { seed, image: root.join("image"), runs, replay: Replay::new(&data), outcome, told: 0 })
    }

    /// Moments at which the power fails, spread over the trace: half of them where a reply has just left.
    fn choose(&self, count: usize) -> BTreeSet<usize> {
        let moments = || self.runs.iter().flat_map(|run| run.moments.iter().map(move |moment| (run, moment)));
        let is_reply = |(run, moment): &(&Traced, &Moment)| match moment {
            Moment::Begins(call) => {
                run.calls[*call].descriptor(0).is_ok_and(|(_, name)| name.contains(&run.run.server))
            }
            Moment::Ends(_) => false,
        };
        let (replies, others): (Vec<_>, Vec<_>) = moments().enumerate().partition(|(_, m)| is_reply(m));
        let mut chance = Chance::of(self.seed, "cuts");
        let mut pick = |from: Vec<(usize, _)>| -> Vec<usize> {
            let mut drawn: Vec<(u64, usize)> =
                from.iter().map(|(at, _)| (chance.below(u64::MAX), *at)).collect();
            drawn.sort_unstable();
            drawn.into_iter().take(count / 2).map(|(_, at)| at).collect()
        };
        pick(replies).into_iter().chain(pick(others)).collect()
    }

    /// Goes through all, and stops at the chosen moments.
    fn replay(
        &mut self,
        chosen: &BTreeSet<usize>,
        mut at_cut: impl FnMut(&mut Self, usize) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut before = 0;
        for run in 0..self.runs.len() {
            self.replay.begin(&self.runs[run].run.server);
            let bounds = bounds(&self.runs[run].moments, before);
            for at in 0..self.runs[run].moments.len() {
                let Traced { calls, moments, .. } = &self.runs[run];
                let (Moment::Begins(call) | Moment::Ends(call)) = moments[at];
                let (began, ended) = bounds[&call];
                let replied = self.replay.step(&calls[call], &moments[at], began, ended)?;
                replied.into_iter().for_each(|port| self.check_reply(run, port));
                if chosen.contains(&(before + at)) {
                    self.outcome.cuts += 1;
                    at_cut(self, self.outcome.cuts)?;
                }
            }
            before += self.runs[run].moments.len();
        }
        Ok(())
    }

    /// What a reply acknowledges is in a journal already, and synced.
    fn check_reply(&mut self, run: usize, port: u16) {
        self.outcome.replies += 1;
        let count = self.replay.replies[&port];
        let conversation = self.runs[run].run.conversations.iter().find(|talk| talk.port == port);
        let request = conversation.and_then(|talk| talk.requests.get(count - 1));
        let Some(marker) = request.and_then(|request| request.marker()) else { return };
        if !self.replay.disk.has_synced(".jnl", marker.as_bytes()) {
            self.outcome.early_replies += 1;
            eprintln!("{marker} was acknowledged and is not synced");
        }
    }

    /// The power fails here, in each of the ways.
    fn cut(&mut self, runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
        for keep in Keep::ALL {
            let mut chance = Chance::of(self.seed, &format!("cut {} {keep:?}", self.outcome.cuts));
            std::fs::create_dir(&self.image)?;
            self.replay.disk.image(&self.image, keep, &mut chance)?;
            self.outcome.images += 1;
            let found = runtime.block_on(look::look(&self.image));
            let where_ = format!("cut {} of seed {}, kept {keep:?}", self.outcome.cuts, self.seed);
            match found {
                Ok(found) => self.judge(&where_, found),
                Err(error) => self.tell(&format!("{where_}: {error:#}")),
            }
            std::fs::remove_dir_all(&self.image)?;
        }
        Ok(())
    }

    fn judge(&mut self, where_: &str, found: look::Found) {
        self.outcome.opened += 1;
        if found.set_aside {
            self.outcome.set_aside += 1;
            self.tell(&format!("{where_}: the database was taken for damaged"));
        }
        let goes_on = self.runs[1].run.conversations.iter().any(|talk| self.replied(talk.port) > 0);
        if found.continued && goes_on {
            self.outcome.mark_again += 1;
            self.tell(&format!("{where_}: the mark of a clean stop is there after the next start's writes"));
        }
        let parts = torn(&found.contents);
        self.outcome.torn += parts.len();
        parts.iter().for_each(|key| self.tell(&format!("{where_}: {key} is there without its other half")));
        let mut judge = Judge::default();
        self.events().iter().for_each(|event| drop(judge.take(event)));
        let wrong = judge.take(&Event::Held { cycle: 1, groups: vec![(vec![0], found.contents)] });
        self.outcome.lost += judge.tally.lost;
        self.outcome.resurrected += judge.tally.resurrected;
        wrong.iter().for_each(|wrong| self.tell(&format!("{where_}: {}", shortened(wrong))));
    }

    /// What was asked for before the cut. Of what was not acknowledged only the next request may have got anywhere.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut open = BTreeMap::new();
        for run in &self.runs {
            for (client, talk) in run.run.conversations.iter().enumerate() {
                let acked = self.replied(talk.port);
                if *open.get(&client).unwrap_or(&false) {
                    continue;
                }
                for (at, request) in talk.requests.iter().enumerate().take(acked + 1) {
                    let sent = |op: &subject::Request, n: usize| Event::Sent {
                        writer: client,
                        node: 0,
                        op: op.ops[n].clone(),
                        acked: at < acked,
                    };
                    events.extend((0..request.ops.len()).map(|n| sent(request, n)));
                }
                open.insert(client, acked < talk.requests.len());
            }
        }
        events
    }

    fn replied(&self, port: u16) -> usize {
        self.replay.replies.get(&port).copied().unwrap_or(0)
    }

    fn tell(&mut self, what: &str) {
        self.told += 1;
        match self.told {
            n if n < TOLD_MAX => eprintln!("{what}"),
            TOLD_MAX => eprintln!("and more"),
            _ => {}
        }
    }
}

/// By call where it begins and where it ends, counted from here.
fn bounds(moments: &[Moment], from: usize) -> BTreeMap<usize, (usize, usize)> {
    let mut out = BTreeMap::new();
    for (at, moment) in moments.iter().enumerate() {
        match moment {
            Moment::Begins(call) => _ = out.insert(*call, (from + at, usize::MAX)),
            Moment::Ends(call) => {
                out.entry(*call).and_modify(|(_, ended)| *ended = from + at).or_default().1 = from + at
            }
        }
    }
    out
}

/// Keys that are written in pairs and whose other half is missing or different.
fn torn(contents: &Contents) -> Vec<String> {
    let halves = contents.iter().filter_map(|(key, held)| Some((key, key.strip_prefix("paira:")?, held)));
    let a = halves.filter(|(_, rest, held)| contents.get(&format!("pairb:{rest}")) != Some(*held));
    let a: Vec<String> = a.map(|(key, ..)| key.clone()).collect();
    let b = contents.keys().filter(|key| {
        key.strip_prefix("pairb:").is_some_and(|rest| !contents.contains_key(&format!("paira:{rest}")))
    });
    a.into_iter().chain(b.cloned()).collect()
}

/// Values are long.
fn shortened(text: &str) -> String {
    let mut out = text.replace(&"v".repeat(40), "");
    if out.len() > 400 {
        out = out.chars().take(400).collect();
    }
    out
}
