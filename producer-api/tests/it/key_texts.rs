//! What the files of keys say, in the memory of a door that works with these keys.

use anyhow::{Result, ensure};
use epro_proving::memory::occurrences;
use epro_proving::{Stack, sample, skipped};

use crate::support::phq9;

#[tokio::test]
async fn the_text_of_a_key_stands_nowhere_in_the_memory_of_a_door_that_works_with_it() -> Result<()> {
    let stack = Stack::new().await?;
    let mut texts = Vec::new();
    for name in ["seal-k1", "pseudonym-p1"] {
        let file = stack.folder().join("keys").join(name);
        let text = std::fs::read_to_string(&file)?.trim().to_owned();
        // Blanks are allowed around it: what takes the place of the file's text next begins far before the key.
        std::fs::write(&file, format!("{}{text}\n", " ".repeat(8 * 1024)))?;
        texts.push(text);
    }
    let api = stack.api().await?;
    assert_eq!(stack.client(&api)?.submit("P-1", &phq9()).await?.status, 202, "sealed, under a pseudonym");
    let Some(known) = occurrences(api.pid(), sample::ISSUER.as_bytes())? else {
        skipped("no process may look at another's memory here (kernel.yama.ptrace_scope)");
        return Ok(());
    };
    ensure!(known > 0, "what it does keep is found");
    for text in texts {
        assert_eq!(occurrences(api.pid(), text.as_bytes())?, Some(0));
    }
    Ok(())
}
