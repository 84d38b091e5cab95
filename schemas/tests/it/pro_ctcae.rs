//! The published composite grades, all 179, listed by grade: Basch et al.,
//! Clin Trials 2021;18(1):104-114, as in `comp_tab` of the CRAN package ProAE.
//! A digit is the level of an attribute, in the order of the composite's name.

use epro_schemas::instrument::pro_ctcae::Composite;

const TABLE: [(Composite, [&str; 4]); 7] = [
    (Composite::Frequency, ["0", "1 2", "3", "4"]),
    (Composite::Severity, ["0", "1", "2", "3 4"]),
    (Composite::Interference, ["0", "1 2", "3 4", ""]),
    (
        Composite::FrequencySeverity,
        ["00", "10 11 12 20 21 30 31 40 41", "13 14 22 23 24 32 42", "33 34 43 44"],
    ),
    (
        Composite::FrequencyInterference,
        ["00", "10 11 12 20 21 22 30 31 40 41", "13 14 23 24 32 42", "33 34 43 44"],
    ),
    (
        Composite::SeverityInterference,
        ["00", "10 11 12 20 21 30", "13 14 22 23 31 32 40 41 42", "24 33 34 43 44"],
    ),
    (
        Composite::FrequencySeverityInterference,
        [
            "000 100 200",
            "101 102 110 111 112 120 201 202 210 211 212 300 301 302 310 311 312 400 401 402 410 411",
            "103 104 113 114 121 122 123 130 131 132 140 141 203 204 213 214 220 221 222 230 231 232 240 241 \
             303 304 313 314 320 321 322 330 331 340 341 403 404 412 413 420 421 422 430 431 440 441",
            "124 133 134 142 143 144 223 224 233 234 242 243 244 323 324 332 333 334 342 343 344 \
             414 423 424 432 433 434 442 443 444",
        ],
    ),
];

fn rows() -> Vec<(Composite, Vec<Option<u8>>, u8)> {
    let mut rows = Vec::new();
    for (composite, grades) in TABLE {
        for (grade, combinations) in (0..).zip(grades) {
            for combination in combinations.split_whitespace() {
                rows.push((composite, combination.bytes().map(|b| Some(b - b'0')).collect(), grade));
            }
        }
    }
    rows
}

/// Every list of levels, missing ones included, of this length.
fn every(length: usize) -> Vec<Vec<Option<u8>>> {
    let levels = [None, Some(0), Some(1), Some(2), Some(3), Some(4)];
    (0..length).fold(vec![vec![]], |lists, _| {
        lists.iter().flat_map(|list| levels.map(|level| [list.clone(), vec![level]].concat())).collect()
    })
}

#[test]
fn all_179_published_combinations_have_their_published_grade() {
    let rows = rows();
    assert_eq!(rows.len(), 179);
    for (composite, levels, grade) in rows {
        assert_eq!(composite.grade(&levels), Some(grade), "{composite:?} {levels:?}");
    }
}

#[test]
fn a_combination_that_is_not_published_has_no_grade() {
    let rows = rows();
    for (composite, _) in TABLE {
        for levels in every(composite.attributes()).into_iter().filter(|levels| !levels.contains(&None)) {
            let published = rows.iter().any(|(c, l, _)| (*c, l) == (composite, &levels));
            assert_eq!(composite.grade(&levels).is_some(), published, "{composite:?} {levels:?}");
        }
    }
}

#[test]
fn what_is_missing_behind_a_zero_counts_as_zero_and_is_missing_otherwise() {
    for (composite, _) in TABLE {
        for levels in every(composite.attributes()) {
            let mut imputed = levels.clone();
            for n in 1..imputed.len() {
                if imputed[n].is_none() && imputed[n - 1] == Some(0) {
                    imputed[n] = Some(0);
                }
            }
            let expected = if imputed.contains(&None) { None } else { composite.grade(&imputed) };
            assert_eq!(composite.grade(&levels), expected, "{composite:?} {levels:?}");
        }
    }
}

#[test]
fn a_worse_answer_never_lowers_the_grade() {
    for (composite, levels, grade) in rows() {
        for n in 0..levels.len() {
            let mut worse = levels.clone();
            worse[n] = worse[n].map(|level| level + 1);
            if let Some(worse) = composite.grade(&worse) {
                assert!(worse >= grade, "{composite:?} {levels:?}");
            }
        }
    }
}

#[test]
fn levels_that_do_not_exist_have_no_grade() {
    assert_eq!(Composite::Frequency.grade(&[Some(5)]), None);
    assert_eq!(Composite::FrequencySeverity.grade(&[Some(5), Some(1)]), None);
    assert_eq!(Composite::SeverityInterference.grade(&[Some(1), Some(255)]), None);
    assert_eq!(Composite::SeverityInterference.grade(&[Some(1)]), None);
    assert_eq!(Composite::Severity.grade(&[Some(1), Some(1)]), None);
    assert_eq!(Composite::Severity.grade(&[Some(1), Some(1), Some(1), Some(1)]), None);
    assert_eq!(Composite::of(false, false, false), None);
}
