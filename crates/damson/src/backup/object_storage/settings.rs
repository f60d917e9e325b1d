//! Where object storage is, and who asks.

use reqwest::Url;

use super::StorageError;

/// Where object storage is, and who asks: by default from the environment, in variables that others know too.
///
/// There is no search for credentials elsewhere, in files or at the cloud's own services.
#[derive(Clone)]
pub struct StorageSettings {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: Option<String>,
    pub(super) region: String,
    /// `None` for the region's own, at Amazon.
    pub(super) endpoint: Option<Url>,
}

impl StorageSettings {
    /// From `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION` (or `AWS_DEFAULT_REGION`, or
    /// `us-east-1`), `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, and `AWS_ALLOW_HTTP`.
    ///
    /// # Errors
    /// [`StorageError::NoCredentials`] or [`StorageError::Endpoint`].
    pub fn from_env() -> Result<Self, StorageError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The same, from anywhere.
    ///
    /// # Errors
    /// As [`Self::from_env`].
    pub fn from_lookup(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, StorageError> {
        let first_of = |names: &[&str]| {
            let set = names.iter().filter_map(|name| look_up(name)).map(|value| value.trim().to_owned());
            set.into_iter().find(|value| !value.is_empty())
        };
        let credential = |missing| first_of(&[missing]).ok_or(StorageError::NoCredentials { missing });
        let allow_http = first_of(&["AWS_ALLOW_HTTP"]);
        let allow_http = allow_http.is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"));
        let endpoint = first_of(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        Ok(Self {
            access_key_id: credential("AWS_ACCESS_KEY_ID")?,
            secret_access_key: credential("AWS_SECRET_ACCESS_KEY")?,
            session_token: first_of(&["AWS_SESSION_TOKEN"]),
            region: first_of(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| "us-east-1".into()),
            endpoint: endpoint.map(|text| checked_endpoint(&text, allow_http)).transpose()?,
        })
    }

    /// Nothing leaves over TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|url| url.scheme() == "http")
    }

    /// What is asked, for people.
    pub(super) fn endpoint(&self) -> String {
        match &self.endpoint {
            Some(url) => url.as_str().trim_end_matches('/').into(),
            None => format!("https://s3.{}.amazonaws.com", self.region),
        }
    }
}

fn checked_endpoint(text: &str, allow_http: bool) -> Result<Url, StorageError> {
    let wrong = |cause| StorageError::Endpoint { endpoint: text.into(), cause };
    let url = Url::parse(text).map_err(|_| wrong("it is no URL; write https://HOST or https://HOST:PORT"))?;
    if !url.username().is_empty() || url.password().is_some() {
        // It would be shown, too.
        let cause = "credentials belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        return Err(StorageError::Endpoint { endpoint: url.host_str().unwrap_or_default().into(), cause });
    }
    if url.query().is_some() || url.fragment().is_some() || url.host().is_none() {
        return Err(wrong("write https://HOST or https://HOST:PORT"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_http || is_loopback(&url) => Ok(url),
        "http" => Err(wrong(
            "whoever is on the way can read and change what goes over http; AWS_ALLOW_HTTP=true allows it",
        )),
        _ => Err(wrong("it is neither https:// nor http://")),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(more: &[(&str, &str)]) -> Result<StorageSettings, StorageError> {
        let base = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let all = [more, &base].concat();
        let found = |name: &str| all.iter().find(|(known, _)| *known == name);
        StorageSettings::from_lookup(|name| found(name).map(|(_, value)| (*value).to_string()))
    }

    #[test]
    fn the_usual_variables_are_read() {
        let settings = with(&[]).unwrap();
        assert_eq!(settings.endpoint(), "https://s3.us-east-1.amazonaws.com");
        assert!(settings.session_token.is_none() && !settings.is_plain());
        let all = [
            ("AWS_REGION", "eu-central-1"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_ENDPOINT_URL", "https://store.example:9000/"),
        ];
        let settings = with(&all).unwrap();
        assert_eq!((&*settings.region, settings.session_token.as_deref()), ("eu-central-1", Some("token")));
        assert_eq!(settings.endpoint(), "https://store.example:9000");
        let settings = with(&[("AWS_ENDPOINT_URL_S3", "https://s3.example"), all[2]]).unwrap();
        assert_eq!(settings.endpoint(), "https://s3.example");
    }

    #[test]
    fn what_is_missing_or_empty_is_named() {
        for missing in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let Err(error) = with(&[(missing, " ")]) else { panic!("{missing} is empty") };
            assert!(error.to_string().starts_with(&format!("{missing} is not set")), "{error}");
        }
    }

    #[test]
    fn http_stays_on_this_machine_unless_it_is_asked_for() {
        for here in
            ["http://127.0.0.1:9000", "http://127.9.9.9", "http://[::1]:9000", "http://localhost:9000"]
        {
            assert!(with(&[("AWS_ENDPOINT_URL", here)]).unwrap().is_plain(), "{here}");
        }
        for there in ["http://10.0.0.7:9000", "http://store.example", "http://localhost.example"] {
            let Err(error) = with(&[("AWS_ENDPOINT_URL", there)]) else { panic!("{there}") };
            assert!(error.to_string().contains("AWS_ALLOW_HTTP=true"), "{error}");
            for no in ["false", "0", "yes"] {
                assert!(with(&[("AWS_ENDPOINT_URL", there), ("AWS_ALLOW_HTTP", no)]).is_err(), "{no}");
            }
            for yes in ["true", "TRUE", "1"] {
                assert!(with(&[("AWS_ENDPOINT_URL", there), ("AWS_ALLOW_HTTP", yes)]).is_ok(), "{yes}");
            }
        }
    }

    #[test]
    fn an_endpoint_that_is_none_is_refused_and_its_password_not_shown() {
        for endpoint in ["store.example", "ftp://store.example", "https://store.example/?a=b", "https://"] {
            assert!(with(&[("AWS_ENDPOINT_URL", endpoint)]).is_err(), "{endpoint}");
        }
        let Err(error) = with(&[("AWS_ENDPOINT_URL", "https://me:whispered@store.example")]) else {
            panic!()
        };
        assert!(!error.to_string().contains("whispered"), "{error}");
    }
}
