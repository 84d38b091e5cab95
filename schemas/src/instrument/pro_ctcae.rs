//! PRO-CTCAE composite grades: Basch et al., Clin Trials 2021;18(1):104-114.
//!
//! A grade sums up what a patient says about one symptom in one number from 0
//! to 3. It was made to describe how a group of patients tolerates a
//! treatment, not to diagnose one of them.

/// The highest level of an attribute.
pub const HIGHEST: u8 = 4;

/// The attributes that a term is asked about, where a grade is defined. Terms
/// asked by amount or presence have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Composite {
    /// Frequency only.
    Frequency,
    /// Severity only.
    Severity,
    /// Interference only.
    Interference,
    /// Frequency, then severity.
    FrequencySeverity,
    /// Frequency, then interference.
    FrequencyInterference,
    /// Severity, then interference.
    SeverityInterference,
    /// Frequency, severity, interference.
    FrequencySeverityInterference,
}

/// Grades by the level of the last attribute.
type Row = [u8; 5];

const FREQUENCY: Row = [0, 1, 1, 2, 3];
const SEVERITY: Row = [0, 1, 2, 3, 3];
const INTERFERENCE: Row = [0, 1, 1, 2, 2];

/// By the level of the first attribute from 1 on.
const FREQUENCY_SEVERITY: [Row; 4] = [[1, 1, 1, 2, 2], [1, 1, 2, 2, 2], [1, 1, 2, 3, 3], [1, 1, 2, 3, 3]];
const FREQUENCY_INTERFERENCE: [Row; 4] = [[1, 1, 1, 2, 2], [1, 1, 1, 2, 2], [1, 1, 2, 3, 3], [1, 1, 2, 3, 3]];
const SEVERITY_INTERFERENCE: [Row; 4] = [[1, 1, 1, 2, 2], [1, 1, 2, 2, 3], [1, 2, 2, 3, 3], [2, 2, 2, 3, 3]];

/// By the level of the frequency from 1 on, then of the severity from 0 on.
const ALL_THREE: [[Row; 5]; 4] = [
    [[0, 1, 1, 2, 2], [1, 1, 1, 2, 2], [1, 2, 2, 2, 3], [2, 2, 2, 3, 3], [2, 2, 3, 3, 3]],
    [[0, 1, 1, 2, 2], [1, 1, 1, 2, 2], [2, 2, 2, 3, 3], [2, 2, 2, 3, 3], [2, 2, 3, 3, 3]],
    [[1, 1, 1, 2, 2], [1, 1, 1, 2, 2], [2, 2, 2, 3, 3], [2, 2, 3, 3, 3], [2, 2, 3, 3, 3]],
    [[1, 1, 1, 2, 2], [1, 1, 2, 2, 3], [2, 2, 2, 3, 3], [2, 2, 3, 3, 3], [2, 2, 3, 3, 3]],
];

impl Composite {
    /// The composite of the attributes that a term has.
    #[must_use]
    pub const fn of(frequency: bool, severity: bool, interference: bool) -> Option<Self> {
        Some(match (frequency, severity, interference) {
            (true, false, false) => Self::Frequency,
            (false, true, false) => Self::Severity,
            (false, false, true) => Self::Interference,
            (true, true, false) => Self::FrequencySeverity,
            (true, false, true) => Self::FrequencyInterference,
            (false, true, true) => Self::SeverityInterference,
            (true, true, true) => Self::FrequencySeverityInterference,
            (false, false, false) => return None,
        })
    }

    /// The grade, 0 to 3, of the levels (0 to [`HIGHEST`]) of the attributes in
    /// the order of the composite's name; `None` stands for a missing one.
    ///
    /// Electronic forms don't ask on after a 0, so what is missing behind a 0
    /// counts as 0. There is no grade if an attribute is missing otherwise, if a
    /// level doesn't exist, or if a symptom that never occurred (first attribute
    /// 0) is said to be severe or to interfere: that combination isn't in the table.
    #[must_use]
    pub fn grade(self, levels: &[Option<u8>]) -> Option<u8> {
        let mut imputed = [0; 3];
        let mut after_zero = false;
        for (to, level) in imputed.iter_mut().zip(levels) {
            *to = match level {
                Some(level) => usize::from(*level),
                None if after_zero => 0,
                None => return None,
            };
            after_zero = *to == 0;
        }
        let [first, second, third] = imputed;
        if levels.len() != self.attributes() || (first == 0 && (second, third) != (0, 0)) {
            return None;
        }
        let by_first = |table: &[Row; 4]| match first.checked_sub(1) {
            None => Some(0),
            Some(row) => table.get(row)?.get(second).copied(),
        };
        match self {
            Self::Frequency => FREQUENCY.get(first).copied(),
            Self::Severity => SEVERITY.get(first).copied(),
            Self::Interference => INTERFERENCE.get(first).copied(),
            Self::FrequencySeverity => by_first(&FREQUENCY_SEVERITY),
            Self::FrequencyInterference => by_first(&FREQUENCY_INTERFERENCE),
            Self::SeverityInterference => by_first(&SEVERITY_INTERFERENCE),
            Self::FrequencySeverityInterference => match first.checked_sub(1) {
                None => Some(0),
                Some(table) => ALL_THREE.get(table)?.get(second)?.get(third).copied(),
            },
        }
    }

    /// How many attributes it has.
    #[must_use]
    pub const fn attributes(self) -> usize {
        match self {
            Self::Frequency | Self::Severity | Self::Interference => 1,
            Self::FrequencySeverity | Self::FrequencyInterference | Self::SeverityInterference => 2,
            Self::FrequencySeverityInterference => 3,
        }
    }
}
