//! Where anchors are: files called by their numbers.

use anyhow::Context as _;
use bytes::Bytes;
use epro_process::objects::{Objects, ObjectsError};
use epro_schemas::audit::anchor::PublicKey;
use epro_schemas::audit::anchors::Anchors;

/// The place of the anchors.
pub(super) struct Place(pub(super) Objects);

impl Place {
    /// The numbers that there are, in their order. Files of other names are none of ours.
    pub(super) async fn numbers(&self) -> anyhow::Result<Vec<u64>> {
        let names = self.0.names().await.context("the anchors")?;
        let number = |name: &String| name.strip_prefix("anchor-")?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// All of them.
    pub(super) async fn all(&self, keys: &[PublicKey]) -> anyhow::Result<Anchors> {
        let mut anchors = Anchors::default();
        for number in self.numbers().await? {
            anchors.add(number, &self.0.read_all(&name(number)).await.context("an anchor")?, keys);
        }
        Ok(anchors)
    }

    /// One of them, if it is there.
    pub(super) async fn one(&self, number: u64) -> anyhow::Result<Option<Bytes>> {
        match self.0.read_all(&name(number)).await {
            Ok(file) => Ok(Some(file)),
            Err(ObjectsError::Absent) => Ok(None),
            Err(error) => Err(error).context("an anchor"),
        }
    }

    /// Adds one. Nobody can replace one that is there, not even who holds the lease by mistake.
    pub(super) async fn add(&self, number: u64, file: Vec<u8>) -> anyhow::Result<()> {
        let added = self.0.create(&name(number), file).await.context("the anchor can't be written")?;
        anyhow::ensure!(added, "somebody else has made anchor {number} at this very moment");
        Ok(())
    }
}

fn name(number: u64) -> String {
    format!("anchor-{number:08}.json")
}
