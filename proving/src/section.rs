//! A part of a page between two marks, which is made and not written.

use anyhow::{Context, Result};

/// The page with another section between the marks of that name.
///
/// # Errors
/// If it lacks one of the marks.
pub fn replaced(page: &str, name: &str, section: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of the {name} -->"));
    let (before, rest) =
        page.split_once(&begin).with_context(|| format!("no mark where the {name} begins"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("no mark where the {name} ends"))?;
    Ok(format!("{before}{begin}{section}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = "a\n<!-- faults -->\nold\n<!-- end of the faults -->\nz\n";
        let new = replaced(page, "faults", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- faults -->\nnew\n<!-- end of the faults -->\nz\n");
        assert!(replaced("no mark", "faults", "new").is_err());
        assert!(replaced(page, "speed", "new").is_err());
    }
}
