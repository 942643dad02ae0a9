//! Figures as people read them.

use super::*;

#[test]
fn figures_have_four_digits() {
    let shown = |number: f64| super::shown(&json!(rounded(number)));
    assert_eq!(shown(0.012_345), "0.01235");
    assert_eq!(shown(12.344), "12.34");
    assert_eq!(shown(999.95), "1,000");
    assert_eq!(shown(1_234_567.8), "1,234,568");
    assert_eq!(shown(0.0), "0.0");
}

#[test]
fn a_report_says_what_is_wrong() {
    let mut faults = Faults::default();
    let mut report = Report::new("fanout", Faults::default());
    report.setting("subscribers", 1_000).number("deliveries_per_second", 12_345.6).maybe("server_cpus", None);
    assert_eq!(report.exit(), Exit::Done);
    assert_eq!(
        report.rows(),
        [
            "fanout: subscribers 1,000",
            "  deliveries per second          12,346",
            "  server cpus                  not told",
            "  every delivery checked: nothing lost, repeated or out of order",
        ]
    );

    faults.lose(2, || "\u{1b}2 events".to_owned());
    let report = Report::new("fanout", faults);
    assert_eq!(report.exit(), Exit::Broken);
    let rows = report.rows();
    assert_eq!(rows[1], "  BROKEN: lost 2, repeated 0, out of order 0, strange 0");
    assert!(!rows[2].contains('\u{1b}'), "what came from outside is escaped");
}
