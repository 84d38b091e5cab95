//! What an operator sees at a glance: how fast submissions are stored, and what is set aside.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;

/// Over so many seconds, so that one chunk more or less doesn't make the figure jump.
const STORED: &str = "\
SELECT count(*)::double precision / 10 AS rate FROM identified.submission \
WHERE stored_at > clock_timestamp() - interval '10 seconds'";

const SET_ASIDE: &str = "\
SELECT lane, class, count(*) AS open FROM ops.dead_letter WHERE state = 'open' \
GROUP BY lane, class ORDER BY lane, class";

/// What is seen at a glance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overview {
    /// Submissions that were stored a second, of the last ten.
    pub stored_rate: f64,
    /// Open dead letters.
    pub set_aside: Vec<SetAside>,
}

/// The open dead letters of one lane and class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The lane.
    pub lane: String,
    /// The class, by its name.
    pub class: String,
    /// How many.
    pub open: i64,
}

impl Overview {
    /// All open dead letters.
    #[must_use]
    pub fn open(&self) -> i64 {
        self.set_aside.iter().map(|some| some.open).sum()
    }
}

impl Store {
    /// What is seen at a glance.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        let session = Session::open(self).await?;
        let answers = session.pipeline(vec![Step::new(STORED), Step::new(SET_ASIDE)], false).await?;
        session.done();
        let [stored, set_aside] = &answers[..] else { return Err(StoreError::internal()) };
        let stored_rate = stored.first().map_or(Ok(0.0), |row| row.try_get("rate"))?;
        let set_aside = set_aside.iter().map(|row| {
            Ok(SetAside {
                lane: row.try_get("lane")?,
                class: row.try_get("class")?,
                open: row.try_get("open")?,
            })
        });
        Ok(Overview { stored_rate, set_aside: set_aside.collect::<Result<_, StoreError>>()? })
    }
}
