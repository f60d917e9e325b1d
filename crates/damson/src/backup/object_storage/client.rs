//! The HTTP client below: the TLS of the rest of the program, and answers that end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use reqwest::redirect::Policy;
use rustls_platform_verifier::BuilderVerifierExt;

use super::{StorageError, StorageSettings};
use crate::backup::SEGMENT_BYTES_MAX;

/// From the connection to the last byte. Eight megabytes at 30 KB/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Asked again five times over some seconds: a storage that is restarted, or busy.
const RETRIES_MAX: usize = 5;
const RETRY_TIMEOUT: Duration = Duration::from_secs(180);
const BACKOFF: BackoffConfig = BackoffConfig {
    init_backoff: Duration::from_millis(200),
    max_backoff: Duration::from_secs(5),
    base: 2.0,
};
/// Longest page of a list, in bytes: a thousand keys of a kilobyte, and what stands beside them.
const LIST_BYTES_MAX: usize = 16 << 20;
/// Longest answer that says what went wrong, in bytes; they have some hundred.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// A client of a bucket. Nobody is asked yet.
pub(super) fn connect(bucket: &str, settings: StorageSettings) -> Result<AmazonS3, StorageError> {
    let no_client = |cause: String| StorageError::Client { cause };
    let client = http_client(settings.is_plain()).map_err(|error| no_client(error.to_string()))?;
    let retry = RetryConfig { backoff: BACKOFF, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_endpoint(settings.endpoint())
        .with_region(settings.region)
        .with_access_key_id(settings.access_key_id)
        .with_secret_access_key(settings.secret_access_key)
        .with_retry(retry)
        // Many who speak S3 do not know how to remove several objects at once, and we have few.
        .with_disable_bulk_delete(true)
        .with_http_connector(Connector(HttpClient::new(Bounded(client))));
    if let Some(token) = settings.session_token {
        builder = builder.with_token(token);
    }
    builder.build().map_err(|error| no_client(error.to_string()))
}

fn http_client(is_plain: bool) -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync>> {
    let builder = reqwest::Client::builder()
        .http1_only()
        .https_only(!is_plain)
        .redirect(Policy::none())
        .user_agent(concat!("damson/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .tls_backend_preconfigured(tls(is_plain)?);
    // What may go over http on this machine may not go to a proxy elsewhere.
    let builder = if is_plain { builder.no_proxy() } else { builder };
    Ok(builder.build()?)
}

/// The system's authorities, and ring as everywhere in this program. Without TLS they need not be there.
fn tls(is_plain: bool) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if is_plain {
        builder.with_root_certificates(rustls::RootCertStore::empty())
    } else {
        builder.with_platform_verifier()?
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Hands out what is there.
#[derive(Debug)]
struct Connector(HttpClient);

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

/// A client whose answers have an end. What is below takes lists and errors into memory, however long they are.
#[derive(Debug)]
struct Bounded(reqwest::Client);

#[async_trait]
impl HttpService for Bounded {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_list = request.uri().query().is_some_and(|query| query.contains("list-type="));
        let (head, body) = HttpService::call(&self.0, request).await?.into_parts();
        let bytes_max = match head.status.is_success() {
            true if is_list => LIST_BYTES_MAX,
            true => SEGMENT_BYTES_MAX,
            false => PROBLEM_BYTES_MAX,
        };
        let body = Limited::new(body, bytes_max);
        let body = body.map_err(|error| HttpError::new_boxed(HttpErrorKind::Decode, error));
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}
