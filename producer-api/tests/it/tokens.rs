//! Whose tokens are believed.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use epro_proving::sample::{AUDIENCE, ISSUER, base64};
use epro_proving::stack::Plan;
use epro_proving::token::Minter;
use epro_proving::{Client, Issuer, Stack};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::{SITE, STUDY, SUBMIT, door, phq9, problem};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn key(name: &str) -> Result<Vec<u8>> {
    Ok(std::fs::read(path(name))?)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

fn url_safe(text: &Value) -> String {
    base64(text.to_string().as_bytes()).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn patient(change: Value) -> Value {
    let mut claims = json!({"sub": "P-1", "scope": "submit", "study": STUDY, "site": SITE});
    if let (Some(claims), Value::Object(change)) = (claims.as_object_mut(), change) {
        claims.extend(change);
    }
    claims
}

async fn posted(client: &Client, token: &str) -> Result<(u16, String)> {
    let reply = client.post(SUBMIT, token, phq9().to_string().into_bytes()).await?;
    let name = if reply.status == 202 { "received".to_owned() } else { problem(&reply)? };
    if reply.status == 401 {
        assert!(reply.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
    }
    Ok((reply.status, name))
}

#[tokio::test]
async fn a_token_with_anything_wrong_is_refused_for_what_is_wrong() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let minter = stack.minter();
    let with = |change: Value| minter.token(&patient(change));
    let payload = url_safe(&patient(json!({"iss": ISSUER, "aud": AUDIENCE, "exp": now() + 600})));
    let unsigned = |header: Value| format!("{}.{payload}.", url_safe(&header));
    let good = with(json!({}))?;
    let (head, _) = good.rsplit_once('.').unwrap();
    let cases = [
        ("token_malformed", "nonsense".to_owned()),
        ("token_malformed", "a.b.c".to_owned()),
        ("token_malformed", unsigned(json!({"alg": "none", "kid": "app-1"}))),
        ("token_algorithm", unsigned(json!({"alg": "HS512", "kid": "app-1"}))),
        ("token_algorithm", unsigned(json!({"alg": "RS256", "kid": "app-1"}))),
        ("token_unknown_key", unsigned(json!({"alg": "HS256"}))),
        ("token_unknown_key", unsigned(json!({"alg": "HS256", "kid": "app-2"}))),
        ("token_signature", unsigned(json!({"alg": "HS256", "kid": "app-1"}))),
        ("token_signature", format!("{head}.AAAA")),
        ("token_signature", minter.forger().token(&patient(json!({})))?),
        ("token_issuer", with(json!({"iss": "https://elsewhere.example"}))?),
        ("token_audience", with(json!({"aud": "another"}))?),
        ("token_audience", with(json!({"aud": []}))?),
        ("token_expired", with(json!({"exp": now() - 60}))?),
        ("token_not_yet_valid", with(json!({"nbf": now() + 600}))?),
        ("token_claims", with(json!({"exp": null}))?),
        ("token_claims", with(json!({"exp": "tomorrow"}))?),
        ("token_claims", with(json!({"nbf": "yesterday"}))?),
        ("token_claims", with(json!({"iss": null}))?),
        ("token_claims", with(json!({"aud": null}))?),
        ("token_claims", with(json!({"sub": null}))?),
        ("token_claims", with(json!({"sub": 7}))?),
        ("token_claims", with(json!({"sub": ""}))?),
        ("token_claims", with(json!({"sub": "a\u{0}b"}))?),
        ("token_claims", with(json!({"sub": "x".repeat(129)}))?),
        ("token_claims", with(json!({"study": 7}))?),
        ("token_claims", with(json!({"scope": ["submit"]}))?),
    ];
    for (name, token) in cases {
        assert_eq!(posted(&client, &token).await?, (401, name.to_owned()), "{token}");
    }
    assert_eq!(posted(&client, &good).await?, (202, "received".to_owned()));
    Ok(())
}

/// Signed as it has to be, so that nothing but its length can be what it is refused for.
#[tokio::test]
async fn a_good_token_of_8_kib_is_believed_and_of_any_more_refused() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let padded = |length: usize| stack.minter().token(&patient(json!({"note": "x".repeat(length)})));
    let room = 8 * 1024 - "Bearer ".len() - padded(0)?.len();
    // Three bytes of a claim are four of its token.
    let longest = room * 3 / 4;
    assert_eq!(posted(&client, &padded(longest)?).await?, (202, "received".to_owned()));
    for length in [longest + 3, 9_000] {
        let refused = (401, "token_malformed".to_owned());
        assert_eq!(posted(&client, &padded(length)?).await?, refused, "{length}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_that_allows_something_else_is_403() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let cases = [
        ("scope_missing", json!({"scope": ""})),
        ("scope_missing", json!({"scope": "read:site"})),
        ("scope_missing", json!({"scope": "submit:all submits SUBMIT"})),
        ("study_forbidden", json!({"study": []})),
        ("study_forbidden", json!({"study": ["PAIN-7", "ONC-3011"]})),
        ("site_forbidden", json!({"site": "H002"})),
        ("site_forbidden", json!({"site": []})),
    ];
    for (name, change) in cases {
        let token = stack.minter().token(&patient(change.clone()))?;
        assert_eq!(posted(&client, &token).await?, (403, name.to_owned()), "{change}");
    }
    Ok(())
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_and_claims_may_be_lists() -> Result<()> {
    let (stack, _api, client) = door().await?;
    for change in [
        json!({"exp": now() - 10}),
        json!({"nbf": now() + 10}),
        json!({"aud": ["another", AUDIENCE]}),
        json!({"study": ["PAIN-7", STUDY], "site": ["H002", SITE], "scope": "openid submit"}),
    ] {
        let token = stack.minter().token(&patient(change.clone()))?;
        assert_eq!(posted(&client, &token).await?, (202, "received".to_owned()), "{change}");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_bearer_token_nothing_is_taken() -> Result<()> {
    let (_stack, _api, client) = door().await?;
    let body = phq9().to_string().into_bytes();
    let reply = client.post_as(SUBMIT, None, "application/json", body).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (401, "token_missing"));
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    Ok(())
}

#[tokio::test]
async fn each_key_verifies_its_own_algorithm_and_no_other() -> Result<()> {
    let file = |name: &str| path(name).display().to_string();
    let keys = json!([
        {"kid": "rs", "algorithm": "RS256", "file": file("rsa.pub.pem")},
        {"kid": "es", "algorithm": "ES256", "file": file("ec.pub.pem")},
        {"kid": "ed", "algorithm": "EdDSA", "file": file("ed.pub.pem")},
    ]);
    let stack = Stack::with(Plan { config: json!({"auth": {"keys": keys}}), ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let minter = |kid: &str, algorithm, key| Minter::with(ISSUER, AUDIENCE, kid, algorithm, key);
    let rsa = || anyhow::Ok(EncodingKey::from_rsa_pem(&key("rsa.pem")?)?);
    let ec = || anyhow::Ok(EncodingKey::from_ec_pem(&key("ec.pem")?)?);
    let ed = || anyhow::Ok(EncodingKey::from_ed_pem(&key("ed.pem")?)?);
    for minter in [
        minter("rs", Algorithm::RS256, rsa()?),
        minter("es", Algorithm::ES256, ec()?),
        minter("ed", Algorithm::EdDSA, ed()?),
    ] {
        let token = minter.token(&patient(json!({})))?;
        assert_eq!(posted(&client, &token).await?, (202, "received".to_owned()), "{minter:?}");
    }
    for (name, minter) in [
        // The public key as a shared secret: the confusion that a header must not bring about.
        ("token_algorithm", minter("rs", Algorithm::HS256, EncodingKey::from_secret(&key("rsa.pub.pem")?))),
        ("token_algorithm", minter("es", Algorithm::HS256, EncodingKey::from_secret(&key("ec.pub.pem")?))),
        ("token_algorithm", minter("rs", Algorithm::RS384, rsa()?)),
        ("token_algorithm", minter("rs", Algorithm::PS256, rsa()?)),
        ("token_algorithm", minter("es", Algorithm::EdDSA, ed()?)),
        ("token_algorithm", minter("ed", Algorithm::ES256, ec()?)),
    ] {
        let token = minter.token(&patient(json!({})))?;
        assert_eq!(posted(&client, &token).await?, (401, name.to_owned()), "{minter:?}");
    }
    Ok(())
}

#[tokio::test]
async fn keys_that_the_issuer_publishes_are_fetched_rotated_withdrawn_and_kept_while_it_is_away() -> Result<()>
{
    let issuer = Issuer::start().await?;
    let show = |keys: Option<Value>| issuer.show(keys);
    let config = json!({"auth": {"jwks": {"url": issuer.url(), "refresh": "1s"}}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let (first, second, secret) = (Issuer::key("one")?, Issuer::key("two")?, Issuer::key("three")?);
    let with = |minter: &Minter| minter.token(&patient(json!({})));
    let bound = std::time::Duration::from_secs(30);
    let becomes = async |minter: &Minter, status: u16| {
        let token = with(minter)?;
        epro_proving::until("the answer", bound, || async {
            Ok((posted(&client, &token).await?.0 == status).then_some(()))
        })
        .await
    };
    // Nothing was ever fetched: nobody is called a liar, and a key of the configuration goes on to be believed.
    assert_eq!(posted(&client, &with(&first.1)?).await?, (503, "unavailable".to_owned()));
    assert_eq!(posted(&client, &with(stack.minter())?).await?.0, 202);
    // A shared secret, or a key for something else, in a public place is no key.
    let mut sealing = secret.0.clone();
    sealing["use"] = json!("enc");
    let shared = json!({"kty": "oct", "kid": "four", "alg": "HS256", "k": "AAAA"});
    show(Some(json!([first.0, sealing, shared, {"kty": "new"}])));
    becomes(&first.1, 202).await?;
    assert_eq!(posted(&client, &with(&secret.1)?).await?, (401, "token_unknown_key".to_owned()));
    let confused = Minter::with(
        ISSUER,
        AUDIENCE,
        "one",
        Algorithm::HS256,
        EncodingKey::from_secret(first.0["x"].as_str().unwrap().as_bytes()),
    );
    assert_eq!(posted(&client, &with(&confused)?).await?, (401, "token_algorithm".to_owned()));
    // Away, what was fetched is kept.
    show(None);
    epro_proving::until("the outage to be noticed", bound, || async {
        Ok(api.output().contains("the issuer's keys can't be fetched").then_some(()))
    })
    .await?;
    assert_eq!(posted(&client, &with(&first.1)?).await?.0, 202);
    // Another key comes, the first one is withdrawn: also for tokens that were believed before.
    show(Some(json!([second.0])));
    becomes(&second.1, 202).await?;
    assert_eq!(posted(&client, &with(&first.1)?).await?, (401, "token_unknown_key".to_owned()));
    Ok(())
}
