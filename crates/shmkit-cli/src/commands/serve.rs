//! `shmkit serve`: metrics of all segments.

use std::process::ExitCode;
use std::thread;

use anyhow::{Context as _, Result};

use crate::args::Serve;
use crate::http::Server;
use crate::metrics::Metrics;
use crate::output;
use crate::signals::End;

pub(crate) fn run(args: Serve) -> Result<ExitCode> {
    // Before anybody is told where, since whoever knows may end us.
    let end = End::expect().context("cannot wait for signals")?;
    let server = Server::bind(&args.metrics, args.mode)?;
    output::line(&output::shown(&server.address()))?;
    let metrics = Metrics::new(args.limit);
    let acceptor = server.acceptor()?;
    thread::spawn(move || acceptor.serve(move || metrics.text()));
    end.wait();
    Ok(ExitCode::SUCCESS)
}
