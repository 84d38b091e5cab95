//! A sample risk model: answers every document with the score that it was told to give.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::foreign::manner::Manner;
use crate::foreign::{Call, Calls, Door, Mannered, control, http_door};

/// The largest question that it reads.
const MOST: usize = 1024 * 1024;

/// What it answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opinion {
    /// Of the model.
    pub version: String,
    /// From 0 to 1, if it is well.
    pub score: f64,
}

/// A running model. `POST /score` with JSON: 200 and `{"version": …, "score": …}`; 400 if it isn't JSON.
///
/// Its control door has, beside `/manner` and `/calls`, `PUT /opinion` and `GET /asked` (the bodies).
#[derive(Debug)]
pub struct RiskModel {
    shared: Shared,
    door: Door,
    control: Door,
}

#[derive(Clone, Debug)]
struct Shared {
    manner: Mannered,
    calls: Calls,
    opinion: Arc<Mutex<Opinion>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl RiskModel {
    /// On free loopback ports; version `risk-1`, score 0.1.
    pub async fn start() -> Result<Self> {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(free, free).await
    }

    /// At `address`, told what to do at `control`.
    pub async fn start_at(address: SocketAddr, control: SocketAddr) -> Result<Self> {
        let opinion = Arc::new(Mutex::new(Opinion { version: "risk-1".to_owned(), score: 0.1 }));
        let shared =
            Shared { manner: Mannered::default(), calls: Calls::default(), opinion, asked: Arc::default() };
        let router = Router::new().route("/score", post(score)).with_state(shared.clone());
        let door = http_door::open(address, None, &shared.manner, router).await?;
        let (told, asked) = (Arc::clone(&shared.opinion), Arc::clone(&shared.asked));
        let tell = move |Json(opinion): Json<Opinion>| async move { *lock(&told) = opinion };
        let routes = control::routes(&shared.manner, &shared.calls)
            .route("/opinion", axum::routing::put(tell))
            .route("/asked", get(move || async move { Json(lock(&asked).clone()) }));
        let control = http_door::open(control, None, &Mannered::default(), routes).await?;
        Ok(Self { shared, door, control })
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://{}/score", self.door.address())
    }

    /// `http://host:port` of its control door.
    pub fn control(&self) -> String {
        format!("http://{}", self.control.address())
    }

    /// Behaves so from now on.
    pub fn manner(&self, manner: Manner) {
        self.shared.manner.set(manner);
    }

    /// Answers so from now on.
    pub fn opinion(&self, version: &str, score: f64) {
        *lock(&self.shared.opinion) = Opinion { version: version.to_owned(), score };
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.all()
    }

    /// Every question so far.
    pub fn asked(&self) -> Vec<Value> {
        lock(&self.shared.asked).clone()
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn score(State(model): State<Shared>, request: Request) -> Response {
    let call = model.calls.came("risk");
    let manner = model.manner.for_a_call();
    let body = axum::body::to_bytes(request.into_body(), MOST).await.unwrap_or_default();
    http_door::behave(&manner, &call, || {
        let Ok(question) = serde_json::from_slice::<Value>(&body) else {
            call.did("refused 400");
            return StatusCode::BAD_REQUEST.into_response();
        };
        call.names(question["submission_id"].as_str().unwrap_or_default());
        lock(&model.asked).push(question);
        call.did("scored");
        Json(lock(&model.opinion).clone()).into_response()
    })
    .await
}
