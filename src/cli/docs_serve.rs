//! `karat docs serve`: the page from a server on this machine.
//!
//! Only the page, the artifacts that belong to it and `asset-paths` are served, not the rest of the folder, and only to who asks for this machine by its own name: a page elsewhere that
//! makes a name of its own point here (DNS rebinding) learns nothing.

use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::base::diagnostic::Diagnostic;
use crate::base::fs;
use crate::cli::Outcome;
use crate::cli::application::Application;
use crate::cli::docs::asset_folders;
use crate::cli::options::ServeOptions;
use crate::docs::page;
use crate::record;

/// How long answers that are under way may take after the user stopped the server.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves until the user stops it.
pub async fn serve(app: &Application, options: &ServeOptions, stop: watch::Receiver<bool>) -> Result<Outcome, Outcome> {
    let project = app.project()?;
    let folder = app.target_path(&project);
    if !fs::is_file(&folder.join(page::FILE_NAME)) {
        let message = format!("there is no documentation in `{}`", folder.display());
        let problem = Diagnostic::error("no-documentation", message).with_hint("run `karat docs generate` first");
        app.printer.diagnostic(&problem);
        return Err(Outcome::Usage);
    }
    let (host, port) = (options.host.as_str(), options.port);
    let listener = TcpListener::bind((host, port)).await.map_err(|error| {
        let message = format!("cannot listen on {host}, port {port}: {error}");
        let problem = Diagnostic::error("cannot-listen", message);
        app.printer.diagnostic(&problem.with_hint("choose another port with `--port`, or `--port 0` for a free one"));
        Outcome::World
    })?;
    let address = listener.local_addr().map_err(|error| app.world(&error))?;
    let url = format!("http://{address}/");
    app.printer.status("Serving", &format!("{url} (stop with Ctrl-C)"));
    if options.browser
        && let Err(error) = open::that_detached(&url)
    {
        app.printer.message(&format!("No browser could be opened ({error}); open {url} yourself."));
    }
    let header = |name: HeaderName, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    let mut router = Router::new().route_service("/", ServeFile::new(folder.join(page::FILE_NAME)));
    for name in [page::FILE_NAME, record::manifest::FILE_NAME, record::catalog::FILE_NAME] {
        router = router.route_service(&format!("/{name}"), ServeFile::new(folder.join(name)));
    }
    for assets in asset_folders(&project) {
        router = router.nest_service(&format!("/{assets}"), ServeDir::new(folder.join(assets)));
    }
    let router = router
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::CACHE_CONTROL, "no-cache"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(middleware::from_fn_with_state(options.host.clone(), refuse_other_names));
    let stopped = |mut stop: watch::Receiver<bool>| async move {
        // The sender lives as long as the process.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let late = stopped(stop.clone());
    let server = axum::serve(listener, router).with_graceful_shutdown(stopped(stop));
    tokio::select! {
        ended = server => ended.map_err(|error| app.world(&error))?,
        () = async { late.await; tokio::time::sleep(PATIENCE).await } => {}
    }
    Ok(Outcome::Success)
}

/// Answers only if the request's host is an address, `localhost`, or the name that the server was told to listen on.
async fn refuse_other_names(State(own): State<String>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_own_name(host, &own) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "karat answers only to the address that it listens on\n").into_response()
    }
}

fn is_own_name(host: &str, own: &str) -> bool {
    // A port may follow, after an address of version 6 only if that stands in brackets.
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => host.find(':').map_or((host, ""), |end| host.split_at(end)),
    };
    let is_port =
        |port: &str| port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if !is_port(port) {
        return false;
    }
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:8080", "192.168.1.7:8080", "shop.local:8080"]
        {
            assert!(is_own_name(host, "shop.local"), "{host}");
        }
        for host in
            ["", "evil.example", "evil.example:8080", "127.0.0.1.evil.example:8080", "[::1].evil:1", "localhost.evil"]
        {
            assert!(!is_own_name(host, "127.0.0.1"), "{host}");
        }
    }
}
