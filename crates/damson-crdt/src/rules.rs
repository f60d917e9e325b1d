//! The rules that keep a replica true, by name, so that a simulator can break one and see whether its checks bite.
//!
//! Production code asks [`Rules::holds`] at the one place where each rule is decided. Only the simulator can break one.

macro_rules! rules {
    ($($variant:ident $name:literal $doc:literal;)*) => {
        /// One rule of the replica, named after the mistake that breaking it makes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule { $(#[doc = $doc] $variant,)* }

        impl Rule {
            /// All rules.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, as in `damson sim cluster --break NAME`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What goes wrong when the rule is broken.
            pub const fn explain(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

rules! {
    JoinForgetsDead "join-keeps-dead" "A join keeps dots that the other side saw die.";
    ApplyBeforeKilled "apply-before-killed" "An operation is applied before what it kills is covered.";
    OverflowCovered "overflow-covered" "A waiting operation that is dropped enters the context all the same.";
    EarlyContext "early-context" "A transfer's context is entered with its first cells, not with its last.";
    StaleContext "stale-context" "Cells that changed at the source during a transfer are not sent again.";
    FloorIgnored "floor-ignored" "The removal log is believed to explain what it has forgotten.";
    FloorNotRaised "floor-not-raised" "The floor is not raised for dead dots taken by a whole transfer.";
    SinkUnwatched "sink-unwatched" "What came to the receiver while live dots were compared is taken for the source's too.";
    LogGap "log-gap" "What the source's log lost during a transfer does not raise the receiver's floor.";
    ClockDecides "clock-decides" "A write whose timestamp lies far ahead is refused instead of applied.";
    FutureAbsorbed "future-absorbed" "A timestamp from far ahead drags the local clock along.";
    TiePrefersOwn "tie-prefers-own" "Between concurrent writes a node's own wins, on that node.";
    TypePrefersOwn "type-prefers-own" "Between concurrent types of one key a node's own is visible, on that node.";
    TornBatch "torn-batch" "The operations of an atomic batch are applied one by one, as each becomes possible.";
    SameLife "same-life" "A start after a crash goes on with the old actor.";
    ForkUnseen "fork-unseen" "A copied directory goes on with the actor of the original, although a peer knows better.";
    ClearOneCell "clear-one-cell" "A clear is not expanded to all cells of its key.";
    ResetTakesNothing "reset-takes-nothing" "A reset of a counter carries nothing of what it saw.";
    ResetForgets "reset-forgets" "A reset of a counter forgets earlier resets.";
    CountForgetsBase "count-forgets-base" "An increment drops what resets took away.";
    RebaseNewEpoch "rebase-new-epoch" "Absorbing a reset starts a new running total.";
    DigestDotsOnly "digest-dots-only" "The digest covers dots, not what they say.";
    DamageBelieved "damage-believed" "A replica that found its own damage goes on as if nothing were missing.";
}

/// The rules in force: all of them, or all but one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    broken: Option<Rule>,
}

impl Rules {
    /// All rules but one. For simulators only.
    pub const fn breaking(rule: Rule) -> Self {
        Self { broken: Some(rule) }
    }

    /// Is this rule in force?
    pub fn holds(self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }
}

impl std::str::FromStr for Rule {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|rule| rule.name() == name);
        found.ok_or_else(|| format!("no rule is called {name:?}; `--break list` names them"))
    }
}
