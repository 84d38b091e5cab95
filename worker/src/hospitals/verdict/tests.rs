use super::*;

const BUDGET: Budget = Budget { attempts: 10, age: Duration::from_secs(72 * 3600) };

/// A hospital that takes other messages, also since this one failed.
const WELL: Circumstances = Circumstances {
    takes_others: true,
    refuses_few: true,
    well_since_failure: true,
    refusal_may_be_general: false,
    attempts: 0,
    age: Duration::from_secs(60),
    waits: 0,
};
/// A hospital that takes nothing.
const DOWN: Circumstances =
    Circumstances { takes_others: false, refuses_few: false, well_since_failure: false, ..WELL };

fn errors() -> [CallError; 4] {
    let note = String::from("x");
    [
        CallError::Denied { note: note.clone() },
        CallError::Busy { retry_after: None, note: note.clone() },
        CallError::Busy { retry_after: Some(Duration::from_secs(60)), note: note.clone() },
        CallError::Silent { note },
    ]
}

fn next(error: CallError, known: Circumstances) -> Next {
    Verdict::of(Err(error), known, BUDGET).next
}

fn refused(known: Circumstances) -> Verdict {
    Verdict::of(Err(CallError::Refused { note: "AR".into() }), known, BUDGET)
}

#[test]
fn what_is_taken_is_done() {
    let verdict = Verdict::of(Ok(Taken { note: "201 Created".into() }), WELL, BUDGET);
    assert_eq!((verdict.next, verdict.reported), (Next::Done, Reported::Well));
}

#[test]
fn a_refusal_is_the_messages_fault_even_if_nothing_else_was_taken() {
    for known in [WELL, DOWN] {
        let verdict = refused(known);
        assert_eq!(verdict.next, Next::SetAside { class: Class::HospitalRefused, charged: true });
        assert!(matches!(verdict.reported, Reported::Refused { .. }));
    }
}

#[test]
fn an_ar_is_the_messages_fault_only_where_others_are_taken() {
    let hl7 = |known| Circumstances { refusal_may_be_general: true, ..known };
    assert!(matches!(refused(hl7(WELL)).next, Next::SetAside { .. }));
    let general = refused(hl7(DOWN));
    assert_eq!(general.next, Next::Wait { tier: Tier::S5, charged: false });
    assert!(matches!(general.reported, Reported::Hopeless { .. }), "AR for all closes the gate");
    // One right after another: it may be the begin of an AR for all.
    let many = Circumstances { refuses_few: false, well_since_failure: false, ..WELL };
    assert!(matches!(refused(hl7(many)).next, Next::Wait { charged: false, .. }));
}

#[test]
fn a_hospital_that_takes_nothing_costs_no_attempt_however_long_that_lasts() {
    let known = Circumstances { attempts: 9, age: BUDGET.age * 100, waits: 1000, ..DOWN };
    for error in errors() {
        assert_eq!(next(error, known), Next::Wait { tier: Tier::M10, charged: false });
    }
}

#[test]
fn the_first_failure_costs_none_as_it_may_be_the_begin_of_an_outage() {
    let known = Circumstances { well_since_failure: false, ..WELL };
    for error in errors() {
        assert!(matches!(next(error, known), Next::Wait { charged: false, .. }));
    }
}

#[test]
fn a_try_is_charged_where_the_hospital_takes_others_and_the_tenth_is_the_last() {
    for error in errors() {
        assert!(matches!(next(error.clone(), WELL), Next::Wait { charged: true, .. }));
        let last = Circumstances { attempts: 9, ..WELL };
        let set_aside = Next::SetAside { class: Class::Undeliverable, charged: true };
        assert_eq!(next(error, last), set_aside);
    }
}

#[test]
fn what_is_too_old_is_set_aside_once_the_hospital_has_taken_others() {
    let old = Circumstances { takes_others: false, age: BUDGET.age + Duration::from_secs(1), ..WELL };
    for error in errors() {
        let set_aside = Next::SetAside { class: Class::Undeliverable, charged: false };
        assert_eq!(next(error, old), set_aside);
    }
}

#[test]
fn a_message_waits_at_least_as_long_as_the_hospital_asks_for() {
    let busy = CallError::Busy { retry_after: Some(Duration::from_secs(60)), note: "429".into() };
    assert_eq!(next(busy, DOWN), Next::Wait { tier: Tier::M2, charged: false });
}

#[test]
fn what_the_gate_learns() {
    let reported = |error| Verdict::of(Err(error), DOWN, BUDGET).reported;
    let [denied, busy, rest, silent] = errors();
    assert!(matches!(reported(denied), Reported::Hopeless { .. }));
    assert!(matches!(reported(busy), Reported::Failed { rest: None, .. }));
    assert!(matches!(reported(rest), Reported::Failed { rest: Some(_), .. }));
    assert!(matches!(reported(silent), Reported::Failed { rest: None, .. }));
}
