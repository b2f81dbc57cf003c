//! A service whose requests carry API keys. It knows the keyring from a folder or a URL, and asks nobody else.

use anyhow::{Context, Result};
use claviger::{
    DirectorySource, KeyringKey, RequestContext, UrlSource, Verifier,
    http::{Credentials, denial_response},
    unix_seconds,
};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, env};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let keyring_key = KeyringKey::parse(&env::var("KEYRING_KEY").context("KEYRING_KEY is not set")?)?;
    let ring = env::var("RING").context("RING is not set: a folder or a URL")?;

    let builder =
        Verifier::builder([keyring_key]).on_event(|event| eprintln!("{event:?}")).count_usage(10_000);
    let verifier = match UrlSource::new(&ring) {
        Ok(url) => builder.source(url).build()?,
        Err(_) => builder.source(DirectorySource::new(ring)).build()?,
    };
    let _refreshing = verifier.refresh_in_background();

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let verifier = verifier.clone();
        let service = service_fn(move |request| {
            let verifier = verifier.clone();
            async move { Ok::<_, Infallible>(answer(&verifier, &request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(verifier: &Verifier, request: &Request<Incoming>) -> Response<String> {
    if request.uri().path() == "/usage" {
        // A real service sends these to where the keys are administered, and again until it is confirmed.
        let uses = verifier.drain_usage().map_or(0, |batch| batch.uses.len());
        return Response::new(format!("{uses} keys were used\n"));
    }
    let context = RequestContext::at(unix_seconds()).permissions(&["flights:view"]);
    match verifier.verify_request(request, Credentials::default(), &context).await.into_result() {
        Ok(verified) => Response::new(format!("hello {}\n", verified.key_id)),
        Err(denied) => denial_response(&denied),
    }
}
