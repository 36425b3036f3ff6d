//! The figures of scale-ups as a Markdown table, the subjects of a scale-up below each other.

use std::time::Duration;

/// One scale-up by one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who.
    pub subject: &'static str,
    /// What came first.
    pub mode: &'static str,
    /// How many pods.
    pub pods: usize,
    /// From the start until the last pod was created.
    pub created: Duration,
    /// From the start until the first NodeClaim was there.
    pub first_claim: Option<Duration>,
    /// … the last one.
    pub last_claim: Option<Duration>,
    /// … every NodeClaim was initialized.
    pub initialized: Option<Duration>,
    /// … every pod had a node.
    pub bound: Option<Duration>,
    /// … every pod ran, at KWOK's pace.
    pub running: Option<Duration>,
    /// How many NodeClaims there were.
    pub claims: usize,
    /// What the nodes cost together, in millionths of a US dollar an hour; nothing if it is not known of one.
    pub micro_usd_per_hour: Option<u64>,
    /// CPU time of the subject from the start until every pod had a node.
    pub cpu: Duration,
    /// The most memory that the subject had from the start to the end, in KiB.
    pub peak_rss_kib: u64,
}

const HEAD: &str = "\
| pods | | by | created | first / last NodeClaim | initialized | bound | running | NodeClaims | $ an hour | CPU s until bound | peak RSS, MiB |
|---|---|---|---|---|---|---|---|---|---|---|---|";

/// The table, in the order of pods, mode, subject.
pub fn table(rows: &[Row]) -> String {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| (row.pods, row.mode, row.subject));
    let lines = rows.into_iter().map(line);
    std::iter::once(HEAD.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

fn line(row: &Row) -> String {
    let cells = [
        row.pods.to_string(),
        row.mode.to_owned(),
        row.subject.to_owned(),
        seconds(Some(row.created)),
        format!("{} / {}", seconds(row.first_claim), seconds(row.last_claim)),
        seconds(row.initialized),
        seconds(row.bound),
        seconds(row.running),
        row.claims.to_string(),
        row.micro_usd_per_hour.map_or("–".to_owned(), dollars),
        format!("{:.1}", row.cpu.as_secs_f64()),
        (row.peak_rss_kib / 1_024).to_string(),
    ];
    format!("| {} |", cells.join(" | "))
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or("–".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()))
}

/// To the cent.
fn dollars(micro: u64) -> String {
    let cents = micro.saturating_add(5_000) / 10_000;
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Reads a decimal number into millionths; what is finer is cut off. `None` for anything else.
pub fn micro(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    if !text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(subject: &'static str, mode: &'static str, pods: usize) -> Row {
        let at = |millis| Some(Duration::from_millis(millis));
        Row {
            subject,
            mode,
            pods,
            created: Duration::ZERO,
            first_claim: at(5_400),
            last_claim: at(15_900),
            initialized: at(19_200),
            bound: at(18_840),
            running: None,
            claims: 46,
            micro_usd_per_hour: Some(20_366_000),
            cpu: Duration::from_millis(4_800),
            peak_rss_kib: 187_392,
        }
    }

    #[test]
    fn subjects_stand_below_each_other() {
        let rows =
            [row("plimsoll", "burst", 10), row("karpenter", "backlog", 20), row("karpenter", "burst", 10)];
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines[0],
            "| 10 | burst | karpenter | 0.0 s | 5.4 s / 15.9 s | 19.2 s | 18.8 s | – | 46 | 20.37 | 4.8 | 183 |"
        );
        assert!(lines[1].starts_with("| 10 | burst | plimsoll |"));
        assert!(lines[2].starts_with("| 20 | backlog | karpenter |"));
        let columns = |line: &str| line.matches('|').count();
        assert!(text.lines().all(|line| columns(line) == columns(HEAD.lines().next().unwrap())));
    }

    #[test]
    fn prices_are_read_to_the_millionth() {
        assert_eq!(micro("0.125500"), Some(125_500));
        assert_eq!(micro("12"), Some(12_000_000));
        assert_eq!(micro("1.23456789"), Some(1_234_567));
        for other in ["", ".5", "-1", "1.2.3", "a", "1e3", "99999999999999999999"] {
            assert_eq!(micro(other), None, "{other}");
        }
        assert_eq!(dollars(20_366_000), "20.37");
        assert_eq!(dollars(5_000), "0.01");
    }
}
