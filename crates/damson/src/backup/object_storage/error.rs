//! What object storage can refuse.

use std::path::{Path, PathBuf};

use object_store::Error;

/// Longest text of others in our errors, in characters.
const CAUSE_CHARS_MAX: usize = 300;

/// Object storage cannot be used, or has refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Not an address in object storage. Nobody was asked.
    #[error("{address} is no place for a backup: {cause}; write s3://BUCKET/PREFIX")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The environment does not say who asks. Nobody was asked.
    #[error(
        "{missing} is not set: s3:// needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
    )]
    NoCredentials {
        /// The variable.
        missing: &'static str,
    },
    /// The endpoint is none, or not safe. Nobody was asked.
    #[error("the endpoint {endpoint} cannot be used: {cause}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// There is no client on this machine, for want of certificates of authorities for example. Nobody was asked.
    #[error("object storage cannot be asked: {cause}")]
    Client {
        /// What is wrong.
        cause: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket {bucket} at {endpoint}")]
    NoBucket {
        /// Its name.
        bucket: String,
        /// Who was asked.
        endpoint: String,
    },
    /// The credentials are not known, or may not do it.
    #[error("may not {action} {}: {cause}", path.display())]
    Refused {
        /// What was attempted.
        action: &'static str,
        /// The object.
        path: PathBuf,
        /// What the storage says.
        cause: String,
    },
    /// Anything else: no answer, or one that nobody understands, also after it was asked again. A write may have been
    /// done, as a whole, or not.
    #[error("cannot {action} {} at {endpoint}: {cause}", path.display())]
    Failed {
        /// What was attempted.
        action: &'static str,
        /// The object.
        path: PathBuf,
        /// Who was asked.
        endpoint: String,
        /// What is known.
        cause: String,
    },
}

impl StorageError {
    pub(super) fn of(action: &'static str, path: &Path, bucket: &str, endpoint: &str, error: &Error) -> Self {
        let (path, endpoint) = (path.to_owned(), endpoint.to_owned());
        if is_about_bucket(error) {
            return Self::NoBucket { bucket: bucket.into(), endpoint };
        }
        let (code, cause) = (code_of(error), cause_of(error));
        let is_refusal = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
            || code.is_some_and(|code| REFUSALS.contains(&&*code));
        if is_refusal {
            return Self::Refused { action, path, cause };
        }
        Self::Failed { action, path, endpoint, cause }
    }
}

/// Codes of S3 that come with various statuses.
const REFUSALS: &[&str] =
    &["AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"];

/// No bucket, which is told with the same status as no object.
pub(super) fn is_about_bucket(error: &Error) -> bool {
    code_of(error).is_some_and(|code| code == "NoSuchBucket")
}

/// The storage does not know how to do what was asked.
pub(super) fn is_unknown_there(error: &Error) -> bool {
    code_of(error).is_some_and(|code| code == "NotImplemented")
}

fn code_of(error: &Error) -> Option<String> {
    element(&error.to_string(), "Code").map(str::to_owned)
}

/// What the storage says, if it does, or the innermost of the errors.
fn cause_of(error: &Error) -> String {
    let text = error.to_string();
    let cause = match (element(&text, "Code"), element(&text, "Message")) {
        (Some(code), Some(message)) if !message.is_empty() => format!("{code}: {message}"),
        (Some(code), _) => code.into(),
        (None, _) => {
            let mut innermost: &dyn std::error::Error = error;
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            innermost.to_string()
        }
    };
    // It comes from outside and goes to a terminal.
    cause.trim().chars().filter(|c| !c.is_control()).take(CAUSE_CHARS_MAX).collect()
}

/// The text in the first element of this name. The whole document is of no use to us.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_with(body: &str) -> Error {
        Error::Generic { store: "S3", source: format!("status 403: {body}").into() }
    }

    fn told(error: &Error) -> String {
        StorageError::of("read", Path::new("s3://b/p/manifest"), "b", "http://h", error).to_string()
    }

    #[test]
    fn what_the_storage_says_is_told_in_short() {
        let denied = "<?xml?><Error><Code>AccessDenied</Code><Message>not\x1b[2J you</Message><HostId>x</HostId></Error>";
        assert_eq!(told(&error_with(denied)), "may not read s3://b/p/manifest: AccessDenied: not[2J you");
        let none = error_with("<Error><Code>NoSuchBucket</Code></Error>");
        assert_eq!(told(&none), "there is no bucket b at http://h");
        let other = error_with("<Error><Code>SlowDown</Code><Message></Message></Error>");
        assert_eq!(told(&other), "cannot read s3://b/p/manifest at http://h: SlowDown");
    }

    #[test]
    fn an_answer_of_any_kind_gives_a_short_error() {
        for body in ["", "<Code>", "</Code><Code>", &"<Code>x".repeat(10_000), &"y".repeat(100_000)] {
            assert!(told(&error_with(body)).len() < 500, "{} bytes", body.len());
        }
    }
}
