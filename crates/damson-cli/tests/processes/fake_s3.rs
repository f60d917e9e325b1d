//! As much of S3 as backups need, on loopback and in memory: one bucket, and faults on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use ring::digest::{SHA256, digest};
use tokio::runtime::Runtime;

const BUCKET: &str = "bucket";
pub const KEY_ID: &str = "somebody";
pub const REGION: &str = "eu-central-1";

/// So few that a list of any backup has several pages.
const LIST_KEYS: usize = 2;

pub struct FakeS3 {
    pub endpoint: String,
    inside: Arc<Mutex<Inside>>,
    _runtime: Runtime,
}

#[derive(Default)]
pub struct Inside {
    pub objects: BTreeMap<String, Bytes>,
    /// The keys of all writes that were done, in their order.
    pub written: Vec<String>,
    /// So many segments are taken, and no more.
    pub segments_left: Option<usize>,
    /// Somebody else's manifest, which is there just before ours.
    pub manifest_before: Option<Bytes>,
    /// A service that refuses writes with conditions.
    pub knows_no_conditions: bool,
    /// The first write of a manifest is done, and answered with an error.
    pub loses_answer: bool,
}

impl FakeS3 {
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let inside = Arc::<Mutex<Inside>>::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inside));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, inside, _runtime: runtime }
    }

    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }
}

async fn answer(State(inside): State<Arc<Mutex<Inside>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap();
    if let Some(refusal) = refuse(&head, &body) {
        return refusal;
    }
    let mut inside = inside.lock().unwrap();
    let path = head.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    match head.method {
        _ if bucket != BUCKET => problem(StatusCode::NOT_FOUND, "NoSuchBucket"),
        Method::GET if key.is_empty() => inside.list(head.uri.query().unwrap_or_default()),
        Method::GET => inside.get(key),
        Method::PUT => inside.put(key, body, head.headers.contains_key("if-none-match")),
        Method::DELETE => {
            inside.objects.remove(key);
            with(StatusCode::NO_CONTENT, Body::empty())
        }
        _ => problem(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

/// Whoever is not known, and whatever came damaged. Signatures are not checked.
fn refuse(head: &Parts, body: &Bytes) -> Option<Response> {
    let header = |name| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let signed = header("authorization");
    if !signed.contains(&format!("Credential={KEY_ID}/")) || !signed.contains(&format!("/{REGION}/s3/")) {
        return Some(problem(StatusCode::FORBIDDEN, "InvalidAccessKeyId"));
    }
    let sum: String = digest(&SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let is_whole = header("x-amz-content-sha256") == sum;
    (!is_whole).then(|| problem(StatusCode::BAD_REQUEST, "XAmzContentSHA256Mismatch"))
}

impl Inside {
    fn get(&self, key: &str) -> Response {
        match self.objects.get(key) {
            Some(contents) => with(StatusCode::OK, contents.clone()),
            None => problem(StatusCode::NOT_FOUND, "NoSuchKey"),
        }
    }

    fn put(&mut self, key: &str, contents: Bytes, only_new: bool) -> Response {
        if key.ends_with(".rows")
            && let Some(left) = &mut self.segments_left
        {
            if *left == 0 {
                return problem(StatusCode::FORBIDDEN, "AccessDenied");
            }
            *left -= 1;
        }
        if key.ends_with("/manifest")
            && let Some(other) = self.manifest_before.take()
        {
            self.objects.insert(key.into(), other);
        }
        if only_new && self.knows_no_conditions {
            return problem(StatusCode::NOT_IMPLEMENTED, "NotImplemented");
        }
        if only_new && self.objects.contains_key(key) {
            return problem(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        self.written.push(key.into());
        self.objects.insert(key.into(), contents);
        if key.ends_with("/manifest") && std::mem::take(&mut self.loses_answer) {
            return problem(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        }
        with(StatusCode::OK, Body::empty())
    }

    /// ListObjectsV2. A page's token is the key behind which the next begins.
    fn list(&self, query: &str) -> Response {
        let of = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let value = pairs.into_iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
            percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned()
        };
        assert_eq!(of("list-type"), "2");
        let (prefix, behind) = (of("prefix"), of("continuation-token"));
        let left = self.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > behind);
        let page: Vec<_> = left.clone().take(LIST_KEYS).collect();
        let mut xml = String::from("<ListBucketResult>");
        for (key, contents) in &page {
            let size = contents.len();
            xml +=
                &format!("<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>");
            xml += &format!("<ETag>\"x\"</ETag><Size>{size}</Size></Contents>");
        }
        if left.count() > LIST_KEYS {
            xml += &format!("<NextContinuationToken>{}</NextContinuationToken>", page[LIST_KEYS - 1].0);
        }
        with(StatusCode::OK, xml + "</ListBucketResult>")
    }
}

fn with(status: StatusCode, body: impl Into<Body>) -> Response {
    Response::builder().status(status).header("etag", "\"x\"").body(body.into()).unwrap()
}

fn problem(status: StatusCode, code: &str) -> Response {
    with(status, format!("<Error><Code>{code}</Code><Message>says the fake</Message></Error>"))
}
