//! What an analyst gets of a site, file by file through the door.

use epro_proving::Service;

use super::*;
use crate::exports::Analyst;

/// Asks the door for every response that is stored of H004, as CSV and as NDJSON, waits for it, and fetches all of it.
pub(super) async fn look(places: &mut Places, stack: &Stack, door: &Service, rows: usize) {
    let analyst = Analyst::at(stack, door, "export");
    for format in ["csv", "ndjson"] {
        let asked = json!({"format": format, "from": "1987-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"});
        let status = analyst.is(&analyst.export(asked).await, "done").await;
        assert_eq!(status["rows"], rows, "{status}");
        places.add(format!("the status of an export as {format}"), status.to_string());
        let files = analyst.all_files(&status).await;
        // The search itself can find: what does belong there is found.
        let answered = |body: &[u8]| String::from_utf8_lossy(body).contains("LA6568-5");
        assert!(files.iter().any(|(_, body)| answered(body)), "{status}");
        for (name, body) in files {
            places.add(format!("{name} of an export as {format}"), body);
        }
    }
}
