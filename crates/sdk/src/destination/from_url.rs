//! The destination that a URL or a path names.

use super::{Destination, Directory, ObjectStorage};
use object_store::{ObjectStore, ObjectStoreScheme};
use std::sync::Arc;
use url::Url;

/// The destination that a URL names, as it may stand in a configuration:
///
/// | URL | destination | cargo feature |
/// |---|---|---|
/// | a path, or `file:///path` | a [`Directory`] | |
/// | `s3://bucket/prefix` | Amazon S3, and what is compatible with it | `s3` (on by default) |
/// | `gs://bucket/prefix` | Google Cloud Storage | `gcs` |
/// | `az://container/prefix` | Azure Blob Storage | `azure` |
///
/// `https` URLs of these three are understood too, as [`ObjectStoreScheme`] says.
///
/// `options` are named as in `object_store` (`AmazonS3ConfigKey`, `GoogleConfigKey`, `AzureConfigKey`, `ClientConfigKey`),
/// for example `aws_access_key_id`, `aws_secret_access_key`, `aws_region`, `aws_endpoint`, `allow_http`, `timeout`. What
/// they do not say is taken from the environment, from variables of the same names in capital letters
/// (`AWS_ACCESS_KEY_ID`, `GOOGLE_…`, `AZURE_…`), and then from where the provider puts credentials on its own machines.
/// Profiles of the AWS command line are not read.
///
/// Publishing to S3 is tested on a real server, SeaweedFS; to `gs` and `az` only that they can be named.
///
/// ```
/// use claviger_sdk::destination_from_url;
///
/// let local = destination_from_url("file:///var/lib/company/keyring", [])?;
/// # #[cfg(feature = "s3")]
/// let options = [("aws_endpoint", "http://127.0.0.1:9000"), ("aws_allow_http", "true")];
/// # #[cfg(feature = "s3")]
/// let s3 = destination_from_url("s3://company/keyring", options.map(|(name, value)| (name.into(), value.into())))?;
/// # Ok::<(), claviger_sdk::DestinationUrlError>(())
/// ```
///
/// # Errors
/// [`DestinationUrlError`]. It has no password or option's value in it.
pub fn destination_from_url(
    url: &str,
    options: impl IntoIterator<Item = (String, String)>,
) -> Result<Box<dyn Destination>, DestinationUrlError> {
    let options: Vec<_> = options.into_iter().collect();
    // On Windows a path begins with a letter and a colon.
    let Some(parsed) = Url::parse(url).ok().filter(|parsed| parsed.scheme().len() > 1) else {
        if url.is_empty() || url.contains("://") {
            return Err(DestinationUrlError::Invalid);
        }
        return no_options(&options).map(|()| Box::new(Directory::new(url)) as _);
    };
    if parsed.password().is_some() || parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(DestinationUrlError::Surplus);
    }
    if parsed.scheme() == "file" {
        let path = parsed.to_file_path().map_err(|()| DestinationUrlError::Invalid)?;
        return no_options(&options).map(|()| Box::new(Directory::new(path)) as _);
    }
    let unknown = || DestinationUrlError::Scheme(parsed.scheme().to_owned());
    let (scheme, prefix) = ObjectStoreScheme::parse(&parsed).map_err(|_| unknown())?;
    let store = match scheme {
        ObjectStoreScheme::AmazonS3 => s3(&parsed, options)?,
        ObjectStoreScheme::GoogleCloudStorage => gcs(&parsed, options)?,
        ObjectStoreScheme::MicrosoftAzure => azure(&parsed, options)?,
        _ => return Err(unknown()),
    };
    Ok(Box::new(ObjectStorage::below(store, prefix)))
}

/// Why a URL names no destination.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationUrlError {
    /// It is no URL, and no path.
    #[error("neither a URL nor a path")]
    Invalid,
    /// It has a password, a query or a fragment, which none of these URLs has.
    #[error("the URL of a destination has no password, query (?) or fragment (#); credentials are options")]
    Surplus,
    /// Nothing can be published to URLs that begin like this.
    #[error(
        "nothing can be published to a URL that begins with {0}:, only to file:, s3:, gs: and az: (and to ./{0}:… if it \
         is a path)"
    )]
    Scheme(String),
    /// The program was built without the cargo feature of this name.
    #[error("this program cannot publish there: claviger-sdk was built without its feature {0:?}")]
    Feature(&'static str),
    /// There is no option of this name for such a URL.
    #[error("such a destination has no option {0:?}")]
    Option(String),
    /// What the options and the environment say does not make a store.
    #[error("the settings of the destination are not good: {0}")]
    Settings(String),
}

fn no_options(options: &[(String, String)]) -> Result<(), DestinationUrlError> {
    options.first().map_or(Ok(()), |(name, _)| Err(DestinationUrlError::Option(name.clone())))
}

type Options = Vec<(String, String)>;
type Store = Result<Arc<dyn ObjectStore>, DestinationUrlError>;

/// Hands options to a builder by their names, and builds.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn build<B, K: std::str::FromStr, S: ObjectStore>(
    mut builder: B,
    options: Options,
    set: impl Fn(B, K, String) -> B,
    build: impl FnOnce(B) -> object_store::Result<S>,
) -> Store {
    let mut values = Vec::new();
    for (name, value) in options {
        let Ok(key) = name.to_ascii_lowercase().parse() else {
            return Err(DestinationUrlError::Option(name));
        };
        values.push(value.clone());
        builder = set(builder, key, value);
    }
    let store = build(builder).map_err(|error| {
        let long = values.iter().filter(|value| value.len() > 3);
        let text =
            long.fold(super::storage_error::cause(&error), |text, value| text.replace(value.as_str(), "…"));
        DestinationUrlError::Settings(text)
    })?;
    Ok(Arc::new(store))
}

#[cfg(feature = "s3")]
fn s3(url: &Url, options: Options) -> Store {
    use object_store::aws::AmazonS3Builder as Builder;
    build(Builder::from_env().with_url(url.as_str()), options, Builder::with_config, Builder::build)
}

#[cfg(feature = "gcs")]
fn gcs(url: &Url, options: Options) -> Store {
    use object_store::gcp::GoogleCloudStorageBuilder as Builder;
    build(Builder::from_env().with_url(url.as_str()), options, Builder::with_config, Builder::build)
}

#[cfg(feature = "azure")]
fn azure(url: &Url, options: Options) -> Store {
    use object_store::azure::MicrosoftAzureBuilder as Builder;
    build(Builder::from_env().with_url(url.as_str()), options, Builder::with_config, Builder::build)
}

#[cfg(not(feature = "s3"))]
fn s3(_: &Url, _: Options) -> Store {
    Err(DestinationUrlError::Feature("s3"))
}

#[cfg(not(feature = "gcs"))]
fn gcs(_: &Url, _: Options) -> Store {
    Err(DestinationUrlError::Feature("gcs"))
}

#[cfg(not(feature = "azure"))]
fn azure(_: &Url, _: Options) -> Store {
    Err(DestinationUrlError::Feature("azure"))
}
