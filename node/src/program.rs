//! The life of the process `noded`.

mod memory;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use node_api::node::SandboxStatus;
use node_base::{
    disk::JOBS_MAX,
    platform::process::{self, FILE_SIZE_SIGNAL},
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use crate::{
    cli::{Cli, NodeArgs},
    log,
    running::{self, Running},
    sandbox,
    settings::{self, Settings, default_config},
    supervisor::{self, Change},
    worker,
};

/// Gives memory back after a burst of work on many threads, of which the system's
/// allocator keeps a part for each. Also that of `ctl`, which embeds a node.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads for file calls: all that [`Disk`](node_base::disk::Disk) uses.
const BLOCKING_THREADS: usize = JOBS_MAX;

/// Longest time for a clean end.
const STOP_TIME: Duration = Duration::from_millis(4_500);

/// Exit code for wrong usage, the one of clap.
const USAGE: u8 = 2;

/// Runs the program `noded`.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = worker::run_if_asked() {
        return code;
    }
    match Cli::try_parse() {
        Ok(cli) if cli.print_config => print(&settings::example_config()),
        Ok(cli) => run(cli.node),
        Err(error) => {
            // Help and version go to standard output; a closed one is not an error.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
        }
    }
}

/// Prints a text, which its reader may cut off.
fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Runs a node in this process until a signal or its owner ends it.
#[must_use]
pub fn run(args: NodeArgs) -> ExitCode {
    process::close_inherited();
    process::forbid_core_dumps();
    process::without_huge_pages();
    let args = NodeArgs {
        config: args.config.or_else(default_config),
        ..args
    };
    let again = args.clone();
    let settings = match Settings::resolve(args) {
        Ok(settings) => settings,
        Err(error) => return failed(&error, USAGE),
    };
    if let Err(error) = log::to_stderr(settings.log_format) {
        return failed(&error, USAGE);
    }
    let sandbox = sandbox::put_on(&settings);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error, 1),
    };
    let code = runtime.block_on(live(settings, sandbox, again));
    // Whatever hangs in a file call by now is not worth waiting for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

async fn live(settings: Settings, sandbox: SandboxStatus, args: NodeArgs) -> ExitCode {
    process::raise_file_limit();
    let mut signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => return failed(&error, 1),
    };
    let running = match running::start(settings.clone(), sandbox).await {
        Ok(running) => running,
        Err(error) => return failed(&error, 1),
    };
    announce(&running);
    supervisor::tell(Change::Ready);
    tokio::select! {
        () = signals.end(|| look_again(&settings, &args)) => tracing::info!("ending on a signal"),
        () = running.stop_asked() => tracing::info!("ending as the owner asks"),
        never = memory::give_back() => match never {},
    }
    supervisor::tell(Change::Stopping);
    if timeout(STOP_TIME, running.stop()).await.is_err() {
        tracing::warn!("the node did not end in time and is cut off");
    }
    ExitCode::SUCCESS
}

/// Prints the one line on standard output. The reader may close it.
fn announce(running: &Running) {
    let web = running.web().map(|url| format!(" web={url}/"));
    let line = format!(
        "ready url={} control={}{}\n",
        running.url(),
        running.control(),
        web.unwrap_or_default()
    );
    let mut out = io::stdout();
    if let Err(error) = out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
        tracing::debug!(%error, "nobody reads standard output");
    }
    tracing::info!(url = running.url(), control = %running.control(), share = %running.share().display(), "ready");
}

/// Reads the configuration again and reports the changes that need a restart.
fn look_again(settings: &Settings, args: &NodeArgs) {
    let new = match Settings::resolve(args.clone()) {
        Ok(new) => new,
        Err(error) => {
            tracing::warn!(%error, "the configuration makes no sense now; the node goes on as before");
            return;
        }
    };
    let changed = settings.differences(&new);
    if changed.is_empty() {
        tracing::info!("the configuration is as it was");
    } else {
        tracing::warn!(
            changed = changed.join(" "),
            "the configuration changed; restart the node to use it"
        );
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    /// `None` when the parent of the process has it ignore the signal.
    hangup: Option<Signal>,
    /// True if the process was started at a terminal, and ends with it.
    at_terminal: bool,
    /// Caught so that a file that grows too large is an error and not the end.
    _file_size: Signal,
}

impl Signals {
    fn catch() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: (!process::ignores_hangup())
                .then(|| signal(SignalKind::hangup()))
                .transpose()?,
            at_terminal: io::stdin().is_terminal() || io::stderr().is_terminal(),
            _file_size: signal(SignalKind::from_raw(FILE_SIZE_SIGNAL))?,
        })
    }

    /// Waits for a signal to end. A hang-up without a terminal calls `hung_up` instead.
    async fn end(&mut self, hung_up: impl Fn()) {
        loop {
            let hangup = async {
                match &mut self.hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.quit.recv() => return,
                _ = hangup => {
                    if self.at_terminal {
                        return;
                    }
                    hung_up();
                }
            }
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("sixhop")
        .build()
}

#[expect(
    clippy::print_stderr,
    reason = "the one sentence that says why the program ends"
)]
fn failed(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("noded: {error}");
    ExitCode::from(code)
}
