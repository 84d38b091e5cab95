//! A browser, as far as these tests need one: it keeps its cookie and follows nowhere by itself.

use std::path::Path;
use std::time::Duration;

use epro_proving::certificates::Pair;
use epro_proving::{Service, Stack};
use reqwest::{Certificate, ClientBuilder, Identity, RequestBuilder, Response, redirect::Policy};

/// Somebody with a browser.
pub(crate) struct Visitor {
    http: reqwest::Client,
    base: String,
    pub(crate) cookie: String,
    /// The header of its requests, if there is to be one.
    pub(crate) traceparent: Option<String>,
    /// What a proxy in between says of where they come from, if there is one.
    pub(crate) forwarded_for: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    headers: reqwest::header::HeaderMap,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Visitor {
    /// Nobody is signed in. No page may take ten seconds: the store itself gives up after fifteen.
    pub(crate) fn new(console: &Service) -> Self {
        Self {
            http: client(Duration::from_secs(10)),
            base: console.url(),
            cookie: String::new(),
            traceparent: None,
            forwarded_for: None,
        }
    }

    /// Nobody, by https: a browser that believes this authority alone and shows `own`, on a connection for each page.
    pub(crate) fn over_tls(console: &Service, authority: &Path, own: Option<&Pair>) -> Self {
        let authority = Certificate::from_pem(&std::fs::read(authority).unwrap()).unwrap();
        let mut browser =
            browser(Duration::from_secs(10)).tls_certs_only([authority]).pool_max_idle_per_host(0);
        if let Some(own) = own {
            let pem = [std::fs::read(&own.certificate).unwrap(), std::fs::read(&own.key).unwrap()].concat();
            browser = browser.identity(Identity::from_pem(&pem).unwrap());
        }
        let (_, port) = console.listen().rsplit_once(':').unwrap();
        Self {
            http: browser.build().unwrap(),
            base: format!("https://localhost:{port}"),
            ..Self::new(console)
        }
    }

    /// The same person, who from now on waits for no page longer than that.
    pub(crate) fn waiting_at_most(self, bound: Duration) -> Self {
        Self { http: client(bound), ..self }
    }

    /// Signed in as somebody with these roles.
    pub(crate) async fn signed_in(stack: &Stack, console: &Service, who: &str, roles: &[&str]) -> Self {
        Self::with_token(console, &stack.minter().operator(who, roles).unwrap()).await
    }

    /// Signed in with this token.
    pub(crate) async fn with_token(console: &Service, token: &str) -> Self {
        let mut visitor = Self::new(console);
        let answer = visitor.sign_in(token).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = answer.header("set-cookie");
        visitor.cookie = cookie.split(';').next().unwrap().to_owned();
        visitor
    }

    pub(crate) async fn sign_in(&self, token: &str) -> Answer {
        let request = self.http.post(format!("{}/sign-in", self.base)).header("origin", &self.base);
        self.send(form(request, &[("token", token)])).await
    }

    /// The status of the page to sign in; an error where nothing was heard.
    pub(crate) async fn knock(&self) -> Result<u16, String> {
        let asked = self.http.get(format!("{}/sign-in", self.base)).send().await;
        asked.map(|answer| answer.status().as_u16()).map_err(|error| format!("{error:?}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    /// A stream, of which nothing was heard yet.
    pub(crate) async fn open(&self, path: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        answer
    }

    /// The first that a stream tells; it goes on for ever.
    pub(crate) async fn listen(&self, path: &str) -> String {
        let told = self.open(path).await.chunk().await.unwrap().unwrap_or_default();
        String::from_utf8_lossy(&told).into_owned()
    }

    /// Posts a form of a page of this session.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token().await;
        let fields: Vec<(&str, &str)> =
            fields.iter().copied().chain([("form_token", token.as_str())]).collect();
        self.post_from(&self.base, path, &fields).await
    }

    /// Posts these very fields, from a page of that origin.
    pub(crate) async fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.http.post(format!("{}{path}", self.base)).header("origin", origin);
        self.send(form(request, fields)).await
    }

    /// What the forms of this session carry.
    pub(crate) async fn form_token(&self) -> String {
        let page = self.get("/pauses").await.body;
        let (_, rest) = page.split_once("name=\"form_token\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }

    async fn send(&self, mut request: RequestBuilder) -> Answer {
        if let Some(traceparent) = &self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        if let Some(from) = &self.forwarded_for {
            request = request.header("x-forwarded-for", from);
        }
        let answer = request.header("cookie", &self.cookie).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, body: answer.text().await.unwrap() }
    }
}

fn client(bound: Duration) -> reqwest::Client {
    browser(bound).tls_certs_only([]).build().unwrap()
}

fn browser(bound: Duration) -> ClientBuilder {
    reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(bound)
}

fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    request.header("content-type", "application/x-www-form-urlencoded").body(pairs.join("&"))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
