use damson_sim::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let get = |n: &str, d: u64| a.iter().position(|x| x == n).map(|i| a[i + 1].parse().unwrap()).unwrap_or(d);
    let rule = a.iter().position(|x| x == "--break").map(|i| a[i + 1].parse().unwrap());
    let (from, seeds) = (get("--seed", 1), get("--seeds", 1));
    let mut bad = 0;
    for seed in from..from + seeds {
        let o = ClusterOptions {
            nodes: get("--nodes", 5) as usize,
            minutes: get("--minutes", 10),
            seed,
            break_rule: rule,
            ..Default::default()
        };
        let r = run_cluster(&o, &mut |_| ());
        if seeds == 1 {
            println!("{}", serde_json::to_string_pretty(&r).unwrap());
        } else if !r.holds() {
            bad += 1;
            println!(
                "seed {seed}: v {} lost {} res {} conv {} {:?}",
                r.violations,
                r.lost,
                r.resurrected,
                r.converged,
                r.first
                    .iter()
                    .take(2)
                    .map(|v| format!(
                        "{} {:?} {} {}",
                        v.at_ms,
                        v.node,
                        v.invariant,
                        v.text.chars().take(200).collect::<String>()
                    ))
                    .collect::<Vec<_>>()
            );
        }
    }
    println!("{bad} of {seeds} bad");
}
