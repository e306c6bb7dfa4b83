//! `shmkit serve`: a file for `shmkit get`, metrics of all segments, or both.

use std::process::ExitCode;
use std::thread;

use anyhow::{Context as _, Result};

use super::rendezvous;
use crate::args::Serve;
use crate::http::{Address, Server};
use crate::metrics::Metrics;
use crate::signals::End;
use crate::{key, output};

pub(crate) fn run(args: Serve) -> Result<ExitCode> {
    // Before anybody is told where, since whoever knows may end us.
    let end = End::expect().context("cannot wait for signals")?;
    let _given = match (&args.key, &args.file) {
        (Some(key), Some(file)) => Some(rendezvous::give(&key::parse(key)?, file)?),
        _ => None,
    };
    let _server = match &args.metrics {
        Some(address) => Some(serve_metrics(address, &args)?),
        None => None,
    };
    end.wait();
    Ok(ExitCode::SUCCESS)
}

/// Answers requests until the process ends; the socket goes with what is returned.
fn serve_metrics(address: &Address, args: &Serve) -> Result<Server> {
    let server = Server::bind(address, args.mode)?;
    output::line(&output::shown(&server.address()))?;
    let metrics = Metrics::new(args.limit);
    let acceptor = server.acceptor()?;
    thread::spawn(move || acceptor.serve(move || metrics.text()));
    Ok(server)
}
