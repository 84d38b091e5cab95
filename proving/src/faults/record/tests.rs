use super::*;

fn record(seed: u64, faults: &[(&str, usize)], wrong: Option<&str>) -> Record {
    let setting = Setting {
        commit: Some("abc".into()),
        rabbitmq: "3.10.8".into(),
        postgresql: "15".into(),
        left_out: vec!["a clock".into()],
    };
    Record {
        at: "2026-11-28T01:02:03Z".into(),
        seed,
        seconds: 60.0,
        setting,
        struck: Struck {
            faults: faults.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            ..Struck::default()
        },
        account: wrong.is_none().then(|| Account { accepted: 7, ..Account::default() }),
        wrong: wrong.map(str::to_owned),
        warm: Memory { door: 20.0, worker: 20.0 },
        peak: Memory { door: 25.0, worker: 22.0 },
        memory: Memory { door: 20.0, worker: 21.0 },
    }
}

fn two() -> Vec<Record> {
    vec![
        record(1, &[("hop cut", 3), ("disk full", 1)], None),
        record(2, &[("disk full", 4)], Some("1 answered 202 and nowhere\nand more")),
    ]
}

#[test]
fn what_is_appended_is_read_again_line_by_line() {
    let folder = std::env::temp_dir().join(format!("epro-record-{}", uuid::Uuid::now_v7().simple()));
    let file = folder.join("proof/faults.jsonl");
    assert!(read(&file).unwrap().is_empty(), "no file: no run");
    for record in two() {
        record.append(&file).unwrap();
    }
    let again = read(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(again.iter().map(|record| record.seed).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(again[0].account.as_ref().map(|account| account.accepted), Some(7));
    assert_eq!(sorted(&in_all(&again).faults), [("disk full", 5), ("hop cut", 3)]);
}

#[test]
fn the_section_counts_every_fault_and_hides_no_run_that_failed() {
    let section = page::section(&two(), "proof/faults.svg");
    for words in [
        "8 faults in 2 runs",
        "**1 of 2 as promised**",
        "| disk full | 5 |",
        "| answered 202, by id and bytes | 7 |",
        "1.00, 1.05 |",
        "1.25, 1.10 |",
        "Left out in some runs: a clock.",
        "**Not as promised**, seed 2: 1 answered 202 and nowhere\n",
    ] {
        assert!(section.contains(words), "{words:?} is not in\n{section}");
    }
    assert!(page::section(&[], "x").starts_with("No run"));
}

#[test]
fn the_section_says_how_much_is_asked_for_and_whether_that_is_there() {
    let many = |runs, faults| {
        let records: Vec<Record> = (0..runs).map(|seed| record(seed, &[("hop cut", faults)], None)).collect();
        page::section(&records, "x")
    };
    let asked = "Asked for are at least 60 runs of 60 s and 1000 faults; recorded are";
    for (section, words) in [
        (many(60, 17), "60 such runs and 1020 faults: ok."),
        (many(59, 20), "59 such runs and 1180 faults: **short**."),
        (many(60, 16), "60 such runs and 960 faults: **short**."),
    ] {
        assert!(section.contains(&format!("{asked} {words}")), "{words:?} is not in\n{section}");
    }
    let mut cut_short = vec![record(1, &[("hop cut", 3)], None)];
    cut_short[0].seconds = 59.9;
    assert!(page::section(&cut_short, "x").contains("0 such runs and 3 faults"));
}

#[test]
fn the_section_has_every_hop_with_every_failure_and_tells_apart_what_nothing_shows() {
    let mut records = two();
    let ways = [("stalled".to_owned(), 2), ("half-open: not heard".to_owned(), 1)];
    let struck = &mut records[0].struck;
    struck.hops.insert("workers–PostgreSQL".to_owned(), ways.into());
    struck.void.insert("ack timeout".to_owned(), 4);
    (struck.broken, struck.long, struck.lost) = (1, 6, 31);
    let section = page::section(&records, "x");
    for words in [
        "| hop | cut once | cut | stalled | slow | half-open: no answer | half-open: not heard |\n|---|---|",
        "| workers–PostgreSQL | 0 | 0 | 2 | 0 | 0 | 1 |\n",
        "| workers–mail server | 0 | 0 | 0 | 0 | 0 | 0 |\n",
        "1 of the hops that were stalled",
        "6 silences lasted",
        "held 31 messages",
        "nothing shows that it struck anybody: ack timeout 4.",
        "8 faults in 2 runs",
    ] {
        assert!(section.contains(words), "{words:?} is not in\n{section}");
    }
    assert!(!page::section(&two(), "x").contains("Void"), "nothing was");
}

#[test]
fn in_short_nothing_is_said_to_be_lost_or_kept_of_runs_that_failed() {
    let short = page::in_short(&two());
    for words in
        ["8 faults in 2 runs: **1 of 2 as promised**", "Of 7 submissions", "What was wrong in 1: [PROOF]"]
    {
        assert!(short.contains(words), "{words:?} is not in {short}");
    }
    assert!(!page::in_short(&two()[..1]).contains("wrong"), "all of them were as promised");
    assert!(!page::in_short(&two()[1..]).contains("lost"), "none of them was");
    assert_eq!(page::in_short(&[]), "No run is recorded yet.\n");
}

#[test]
fn the_section_tells_one_version_of_rabbitmq_from_the_other() {
    let mut records = two();
    records.push(record(3, &[("hop cut", 2)], None));
    records[2].setting.rabbitmq = "4.0.5".into();
    let section = page::section(&records, "proof/faults.svg");
    for row in ["| 3.10.8 | 15 | 2 | 1 | 8 | 7 |\n", "| 4.0.5 | 15 | 1 | 1 | 2 | 7 |\n"] {
        assert!(section.contains(row), "{row:?} is not in\n{section}");
    }
}

#[test]
fn a_run_on_a_cluster_is_a_row_and_one_that_failed_says_of_what() {
    let mut records = vec![
        record(1, &[("kill -9 leader", 1), ("leader cut off", 1)], None),
        record(2, &[("kill -9 leader", 1)], Some("1 answered 202 and nowhere\nand more")),
    ];
    records[0].setting.rabbitmq = "4.0.5".into();
    let section = cluster::section(&records);
    for words in [
        "| 4.0.5 | 15 | 2026-11-28 | abc | kill -9 leader, leader cut off | 7 | 0 | 0 | 0 | 0 | 0 | 60 | ok |\n",
        "| 3.10.8 | 15 | 2026-11-28 | abc | kill -9 leader |  | | | | |  | 60 | **not as promised** |\n",
        "**Not as promised**, seed 2: 1 answered 202 and nowhere\n",
    ] {
        assert!(section.contains(words), "{words:?} is not in\n{section}");
    }
    assert!(cluster::section(&[]).starts_with("No run"));
}

#[test]
fn a_record_without_what_is_counted_since_is_read_as_none_of_it() {
    let mut line = serde_json::to_value(&two()[0]).unwrap();
    let account = line["account"].as_object_mut().unwrap();
    for since in ["redriven", "repeated", "paced", "unpaced"] {
        assert!(account.remove(since).is_some(), "{since}");
    }
    assert!(line.as_object_mut().unwrap().remove("peak").is_some());
    let read: Record = serde_json::from_value(line).unwrap();
    assert_eq!(
        read.account.map(|account| (account.accepted, account.redriven, account.unpaced)),
        Some((7, 0, 0))
    );
}

#[test]
fn the_plot_has_a_bar_a_kind_and_a_box_a_run() {
    let svg = plot::svg(&two());
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("#9bb8d3").count(), 2);
    assert_eq!(svg.matches("<title>").count(), 2);
}
