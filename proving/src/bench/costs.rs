//! What TLS and the audit trail cost the whole route, POST to stored: each beside the same route without, in the same
//! round.

use anyhow::Result;

use super::ground::Ground;
use super::load::{self, Requests};
use crate::certificates::Authority;
use crate::raw_http::Connection;
use crate::services::{host_port, with_host_port};
use crate::tls_front::Front;
use crate::tls_route::TlsRoute;

/// The trail's rows go nowhere: there is no switch for that in the product, so the database throws them away. This side
/// isn't free of the trail: the worker still hashes some 400 bytes a row and sends it, and the database runs a trigger
/// for each. What rows and hashes cost beside nothing at all shows the bare loop: `Pair::Chain`.
const THROW_AWAY: &str = "\
CREATE FUNCTION public.thrown_away() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
CREATE TRIGGER thrown_away BEFORE INSERT ON audit.event FOR EACH ROW EXECUTE FUNCTION public.thrown_away()";
const KEEP: &str = "DROP TRIGGER thrown_away ON audit.event; DROP FUNCTION public.thrown_away()";

/// Submissions a second over the whole route, with the trail.
pub(super) async fn audited(ground: &Ground, requests: &Requests, site: &str) -> Result<f64> {
    route(ground, requests, site, &[], None).await
}

/// The same while the database throws the trail away.
pub(super) async fn unaudited(ground: &Ground, requests: &Requests, site: &str) -> Result<f64> {
    ground.link.client.batch_execute(THROW_AWAY).await?;
    let pace = route(ground, requests, site, &[], None).await;
    ground.link.client.batch_execute(KEEP).await?;
    pace
}

/// The same with TLS at each hop and certificates on both sides. The services here speak plain text: relays of the
/// bench's end TLS in front of them.
pub(super) async fn secured(ground: &Ground, requests: &Requests, site: &str) -> Result<f64> {
    let stack = &ground.stack;
    let (ours, clients) = (Authority::new()?, Authority::new()?);
    let tls = [ours.server("localhost", Some(&clients))?, ours.server("localhost", Some(&clients))?];
    let told = TlsRoute::of(stack, &ours, &clients, tls).await?;
    let shown = ours.server_files(stack.folder(), "localhost")?;
    let mut environment = told.environment();
    environment.push(("EPRO__INTAKE__TLS__CERTIFICATE_FILE", shown.certificate.display().to_string()));
    environment.push(("EPRO__INTAKE__TLS__KEY_FILE", shown.key.display().to_string()));
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    route(ground, requests, site, &environment, Some(&ours)).await
}

/// The same in plain text through the same relays.
pub(super) async fn relayed(ground: &Ground, requests: &Requests, site: &str) -> Result<f64> {
    let (amqp, database) = (ground.stack.vhost().url(), ground.stack.database().url());
    let broker = Front::plain(&host_port(amqp)?).await?;
    let postgres = Front::plain(&host_port(database)?).await?;
    let led = |url: &str, front: &Front| with_host_port(url, &format!("127.0.0.1:{}", front.port()));
    let (amqp, database) = (led(amqp, &broker)?, led(database, &postgres)?);
    let environment = [("EPRO__BROKER__URL", amqp.as_str()), ("EPRO__POSTGRES__URL", database.as_str())];
    route(ground, requests, site, &environment, None).await
}

/// The whole route by processes that have that in their environment; `door`: who vouches for the API's certificate.
async fn route(
    ground: &Ground,
    requests: &Requests,
    site: &str,
    environment: &[(&str, &str)],
    door: Option<&Authority>,
) -> Result<f64> {
    let mut worker = ground.stack.spawn("epro-worker", environment)?;
    let mut api = ground.stack.spawn("epro-producer-api", environment)?;
    worker.ready().await?;
    api.ready().await?;
    let mut connections = Vec::new();
    for _ in 0..64 {
        connections.push(match door {
            None => Connection::open(api.listen()).await?,
            Some(authority) => Connection::secure(api.listen(), authority, "localhost").await?,
        });
    }
    load::over(connections, requests).await?;
    ground.stored(requests.len()).await?;
    drop(api);
    ground.finish(&mut worker).await?;
    let pace = ground.pace(requests.len()).await?;
    ground.empty(site).await?;
    Ok(pace)
}
