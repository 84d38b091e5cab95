//! What the door says about itself.

use anyhow::Result;

use crate::support::door;

#[tokio::test]
async fn the_documentation_is_open_self_contained_and_the_same_twice() -> Result<()> {
    let (_stack, _api, client) = door().await?;
    let document = client.get_open("/openapi.json").await?;
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    let document = document.json()?;
    assert_eq!(document["openapi"], "3.1.0");
    let page = client.get_open("/docs").await?;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
    for path in document["paths"].as_object().into_iter().flatten().map(|(path, _)| path) {
        assert!(page.body.contains(path.as_str()), "{path}");
    }
    let style = client.get_open("/docs.css").await?;
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    Ok(())
}
