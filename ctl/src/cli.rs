//! The command line, and no more: nothing here reads a file or calls a node.
//!
//! The help texts are the comments below.

pub(crate) mod duration;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use node_api::{level::Level, search::SearchReach};
use node_base::size::Size;

use crate::{
    connection::Existing,
    mcp::install::Client,
    output::{ColorWhen, Format, Output, Verbosity},
};

/// The text behind the help of the program.
const AFTER_HELP: &str = "\
Examples:
  ctl up --share ~/Public                 run a node in this terminal
  ctl hello http://192.0.2.7:4242         make it known to a peer
  ctl search '*.pdf'                      what is here
  ctl fetch notes/today.txt               bring a file into the share
  ctl ui                                  see it in the browser
  ctl run scripts/tour.rhai               see three nodes at work

Exit codes:
    0  done
    1  failed
    2  usage: the command line or a parameter makes no sense
    3  not found
    6  no node answers, or no peer does
    7  nothing found, and not everybody could answer, or not all files be looked at
    9  no space left
   13  the file exists already
   24  not authorised
   32  digest mismatch: the bytes are not the ones announced
  124  the deadline passed
  130  interrupted

Environment:
  SIXHOP_STATE        the state directory, as with --state
  SIXHOP_SECRET_FILE  where the secret is, if the state directory has none
  SIXHOP_SECRET       the secret itself, if there is no such file
  SIXHOP_TOKEN_FILE   a file with a token to show instead, as with --token-file
  NO_COLOR            no colours, unless --color asks for them";

/// Controls a Sixhop node: finds and fetches files, introduces peers, runs scripts.
///
/// A node on this machine is found by its state directory, so that no address and no secret is needed here. Results
/// go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "ctl", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct GlobalArgs {
    /// The state directory of the node [default: $XDG_STATE_HOME/sixhop or ~/.local/state/sixhop]
    #[arg(long, global = true, value_name = "DIR", env = crate::connection::STATE_VARIABLE)]
    pub(crate) state: Option<PathBuf>,
    /// A file with a token to show to the node instead of the secret; see `ctl token`
    #[arg(long, global = true, value_name = "FILE", env = "SIXHOP_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Write results, and errors too, as JSON: one object, or one per line for streams
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When results have colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto)]
    pub(crate) color: ColorWhen,
    /// Give up after this time, such as 500ms, 30s or 5m, with exit code 124
    #[arg(long, global = true, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Fetch(FetchArgs),
    Cat(CatArgs),
    Transfers(TransfersArgs),
    Search(SearchArgs),
    Grep(GrepArgs),
    Watch(WatchArgs),
    Hello(HelloArgs),
    Invite(InviteArgs),
    Peers(PeersArgs),
    Group(GroupArgs),
    Token(TokenArgs),
    Share(ShareArgs),
    Ask(AskArgs),
    Ls(LsArgs),
    Rescan(RescanArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    LogLevel(LogLevelArgs),
    Stop(StopArgs),
    RenewSecret(RenewSecretArgs),
    Events(EventsArgs),
    Cache(CacheArgs),
    Plugin(PluginArgs),
    Ui(UiArgs),
    Mcp(McpArgs),
    Call(CallArgs),
    Run(RunArgs),
    Shell(ShellArgs),
    #[cfg(feature = "embedded")]
    Up(Box<UpArgs>),
    Completions(CompletionsArgs),
    #[command(hide = true)]
    Complete(CompleteArgs),
    #[command(hide = true)]
    Man(ManArgs),
}

/// Find files among the peers and bring them into the share.
///
/// The node asks the peers it knows, and they ask theirs, up to six hops. With --json, each change is one line; the
/// last line is the end of the fetch. Ctrl-C and --timeout cancel the fetch at the node.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl fetch notes/today.txt
  ctl fetch notes/today.txt 'Song [Live].mp3' --replace
  ctl fetch photos/                         all that is in this directory of a peer
  ctl fetch '*.pdf size:<1M' --detach       in the background; see `ctl transfers`
  ctl fetch notes/today.txt --to .          into this directory instead of the share
  ctl fetch notes/today.txt --to -          to standard output")]
pub(crate) struct FetchArgs {
    /// Name of a file: its path inside a share, with /. If no file has exactly this name: a glob, a directory with / at
    /// its end, or a query with a prefix, such as title:plan, and all that it finds. \"Quoted\" it is always a name; blake3:
    /// and a digest is this content, whatever it is called, stored under its digest
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Write to this file or into this directory instead of the share; - is standard output
    #[arg(long, value_name = "PATH")]
    pub(crate) to: Option<PathBuf>,
    /// Write over a file that is there already
    #[arg(long)]
    pub(crate) replace: bool,
    /// Start the fetch and do not wait for it
    #[arg(long, conflicts_with = "to")]
    pub(crate) detach: bool,
}

/// Print files of the node or of its peers, or some of their lines.
///
/// Nothing is stored. Every piece is checked before it is printed, if a holder gives digests. On a terminal control
/// characters are spelt out; in a pipe come the bytes of the file. With --json, each line is an object.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl cat notes/today.txt
  ctl cat notes/today.txt:12                one line, as `ctl grep` names it
  ctl cat src/main.rs:10-40                 from line 10 to line 40
  ctl cat server.log:1000- | less           from line 1000 on
  ctl cat blake3:DIGEST > content.bin")]
pub(crate) struct CatArgs {
    /// Name of a file, as in `ctl fetch`, and the lines: NAME, NAME:LINE, NAME:FIRST-LAST or NAME:FIRST-. \"Quoted\" it
    /// is a name without lines; blake3: and a digest is this content, whatever it is called
    #[arg(required = true, value_name = "NAME[:L1-L2]")]
    pub(crate) names: Vec<String>,
}

/// List fetches, those that run and the last that ended; cancel one, or drop its bytes.
///
/// Each is a line: number, state, bytes so far, size, name, peer or error.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl transfers
  ctl transfers cancel 12
  ctl transfers drop 12")]
pub(crate) struct TransfersArgs {
    #[command(subcommand)]
    pub(crate) action: Option<TransfersAction>,
}

/// An action on a fetch.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum TransfersAction {
    /// List them; so does `ctl transfers` alone
    Ls,
    /// Stop a fetch, also for others that wait for it. Its result is kept for a day
    Cancel {
        /// Number of the fetch
        id: u64,
    },
    /// Stop a fetch and remove the bytes that are kept of it
    Drop {
        /// Number of the fetch
        id: u64,
    },
}

/// Find files, here and at the peers.
///
/// A query is a name, a glob, or words of a name, misspelt ones too; a prefix such as text: chooses the handler. Filters
/// are ext:pdf,txt size:>10M after:2026-01-31 before:7d; "quoted" parts are always text. Each hit is a line:
/// name, size, node; hits inside files have the place below, or behind that in a pipe. They come as nodes answer. With
/// --json, each hit is one line and the last one says how complete they are; see docs/json.md.
/// The node asks its peers and those that they name, up to six hops. Without a hit the exit code is 3, or 7 if the answer is not complete.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl search today.txt
  ctl search 'name:**/*.txt' --limit 10
  ctl search holliday                names with this word, or nearly this
  ctl search 'text:annual report ext:md,txt after:2026-01-31'
  ctl search summer holiday          the words need no quotes
  ctl search '*.txt' --json | jq -r 'select(.type == \"hit\").name'")]
pub(crate) struct SearchArgs {
    /// The query: [handler:]text
    #[arg(required = true, value_name = "QUERY")]
    pub(crate) words: Vec<String>,
    /// Stop after this many hits [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: Option<u32>,
    /// Show each node that was asked, the reason, and the end of its answer
    #[arg(long)]
    pub(crate) trace: bool,
    /// Ask only nodes that seem to have it
    #[arg(long, conflicts_with = "sure")]
    pub(crate) quick: bool,
    /// Ask all nodes that can be reached, also unlikely ones, and chapter peers for an exact name
    #[arg(long)]
    pub(crate) sure: bool,
}

/// Show what matches a query, now and as it comes: each content once, over restarts.
///
/// The node keeps the watch and has its peers tell of new matches; it goes on while this command does not run, and the next
/// `ctl watch` of the same query shows what came meanwhile. Each match is a line: name, size, node. With --json, each is one
/// line of type match. It goes on until Ctrl-C, or until --count matches were shown; --remove ends the watch itself.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl watch '*.pdf'                              until Ctrl-C
  ctl watch text:invoice --new-only --json       only what comes from now on
  ctl watch 'ext:jpg after:7d' --fetch           the node fetches it, also later
  ctl watch '*.log' --exec 'cat >> matches.jsonl'
  ctl watch --list
  ctl watch --remove 3

The command of --exec runs once a match, after the match is shown, one at a time. It gets the match as a line of JSON on
standard input, and as SIXHOP_MATCH_NAME, SIXHOP_MATCH_DIGEST, SIXHOP_MATCH_SIZE, SIXHOP_MATCH_NODE, SIXHOP_MATCH_NUMBER
and SIXHOP_MATCH_QUERY in its environment.")]
pub(crate) struct WatchArgs {
    /// The query: [handler:]text
    #[arg(value_name = "QUERY", required_unless_present_any = ["list", "remove"])]
    pub(crate) words: Vec<String>,
    /// Leave out what a node has when it is first asked
    #[arg(long)]
    pub(crate) new_only: bool,
    /// Have the node fetch what matches into its share, now and later
    #[arg(long)]
    pub(crate) fetch: bool,
    /// Run this command of the shell for each match
    #[arg(long, value_name = "CMD")]
    pub(crate) exec: Option<String>,
    /// Stop after this many matches
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// List the queries that stand
    #[arg(long, conflicts_with_all = ["words", "remove", "new_only", "fetch", "exec", "count"])]
    pub(crate) list: bool,
    /// End the watch of this number
    #[arg(long, value_name = "ID", conflicts_with_all = ["words", "new_only", "fetch", "exec", "count"])]
    pub(crate) remove: Option<u64>,
}

/// Find lines that match a regular expression, here and at the peers.
///
/// On a terminal hits stand below the name of their file; in a pipe each is a line: peer:name:line:column:text, or
/// peer:name:page:line:text in a document. Matches
/// are those of ripgrep in the same files, in the syntax of the Rust crate regex. With --json, each hit is one line and the
/// last one says how complete they are.
/// Without a hit the exit code is 3, or 7 if the answer is not complete.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl grep 'fn \\w+_unchecked'
  ctl grep -i 'to ?do' ext:rs,md              only files with these endings
  ctl grep -F -C 2 'a[0]' after:7d            the text itself, with two lines around it, in files of this week
  ctl grep -w -F 'C++' -l                     only the names of files that have it
  ctl grep -e todo -e fixme -i -g '*.rs'      one of two patterns, in either case
  ctl grep --json unwrap | jq -r 'select(.type == \"hit\").name' | sort -u")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "these are the flags of ripgrep"
)]
pub(crate) struct GrepArgs {
    /// The regular expression, unless -e gives one, and filters of the query: ext:pdf,txt size:>10M after:2026-01-31
    #[arg(value_name = "PATTERN FILTER")]
    pub(crate) words: Vec<String>,
    /// A pattern; of several, one has to match
    #[arg(
        long = "regexp",
        short = 'e',
        value_name = "PATTERN",
        allow_hyphen_values = true
    )]
    pub(crate) patterns: Vec<String>,
    /// Letters match in either case
    #[arg(long, short)]
    pub(crate) ignore_case: bool,
    /// Letters match in either case if the pattern has no capital
    #[arg(long, short = 'S')]
    pub(crate) smart_case: bool,
    /// The pattern is the text itself
    #[arg(long, short = 'F')]
    pub(crate) fixed_strings: bool,
    /// Only whole words
    #[arg(long, short)]
    pub(crate) word_regexp: bool,
    /// Only whole lines
    #[arg(long, short = 'x')]
    pub(crate) line_regexp: bool,
    /// A carriage return belongs to the end of a line: $ matches before it
    #[arg(long)]
    pub(crate) crlf: bool,
    /// Show the names of files that match, and nothing else
    #[arg(long, short = 'l', conflicts_with_all = ["count", "only_matching"])]
    pub(crate) files_with_matches: bool,
    /// Show for each file how many of its lines match
    #[arg(long, short, conflicts_with = "only_matching")]
    pub(crate) count: bool,
    /// Show only the matches, each on a line of its own
    #[arg(long, short)]
    pub(crate) only_matching: bool,
    /// Look only into files with this ending: '*.rs', '*.{md,txt}', or not into them: '!*.log'
    #[arg(long, short, value_name = "GLOB", allow_hyphen_values = true)]
    pub(crate) glob: Vec<String>,
    /// Show this many lines before and behind each hit
    #[arg(long, short = 'C', value_name = "N", default_value_t = 0, value_parser = context_lines)]
    pub(crate) context: usize,
    /// Show this many lines behind each hit
    #[arg(long, short = 'A', value_name = "N", value_parser = context_lines)]
    pub(crate) after_context: Option<usize>,
    /// Show this many lines before each hit
    #[arg(long, short = 'B', value_name = "N", value_parser = context_lines)]
    pub(crate) before_context: Option<usize>,
    /// Stop after this many hits [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: Option<u32>,
    /// Show each node that was asked, and the end of its answer
    #[arg(long)]
    pub(crate) trace: bool,
    /// Accepted as ripgrep accepts it: each line has its number
    #[arg(long, short = 'n', hide = true)]
    pub(crate) line_number: bool,
    /// Refused, with the way to do it
    #[arg(long, short = 'v', hide = true)]
    pub(crate) invert_match: bool,
    /// Refused, with the way to do it
    #[arg(long, short = 'U', hide = true)]
    pub(crate) multiline: bool,
    /// Refused, with the way to do it
    #[arg(long, short = 'P', hide = true)]
    pub(crate) pcre2: bool,
}

/// Parses lines of context as the query takes them.
fn context_lines(text: &str) -> Result<usize, String> {
    let lines = text.parse().ok().filter(|lines| *lines <= 10);
    lines.ok_or_else(|| "ctl grep shows at most 10 lines around a hit; ctl cat or ctl fetch brings the whole file".to_owned())
}

/// Print the address by which others meet this node.
///
/// It has the id of the node: with it, `ctl hello` speaks to this node over TLS from the first byte, or to
/// nobody. It is no secret.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ctl invite\n  ctl invite --json")]
pub(crate) struct InviteArgs {}

/// Introduce the node to a peer.
///
/// A peer that does not answer is kept and tried again later; the exit code is 6 then.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl hello http://192.0.2.7:4242
  ctl hello 'sixhop://ID/?at=192.0.2.7:4242'    what `ctl invite` printed there")]
pub(crate) struct HelloArgs {
    /// URL of the peer
    pub(crate) url: String,
}

/// List the peers that the node knows, or forget one.
///
/// Each is a line: URL, whether it answers, kind, path (plain or tls), round trip, rate of the content that it sent, id,
/// source, time of the last answer, problem.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ctl peers\n  ctl peers rm http://192.0.2.7:4242")]
pub(crate) struct PeersArgs {
    #[command(subcommand)]
    pub(crate) action: Option<PeersAction>,
}

/// An action on peers.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PeersAction {
    /// List them; so does `ctl peers` alone
    Ls,
    /// Forget a peer. It comes back when it says hello again
    Rm {
        /// URL of the peer
        url: String,
    },
}

/// Group nodes by their ids, so that the policy can tell friends from strangers.
///
/// A policy sees the groups of a node that asks: "friends" in f.groups. Each group is a line: name, ids.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl group add friends http://192.0.2.7:4242      a peer that the node has met
  ctl group add friends 'sixhop://ID/?at=HOST:PORT'
  ctl group ls
  ctl group rm friends ID                          one node
  ctl group rm friends                             the whole group")]
pub(crate) struct GroupArgs {
    #[command(subcommand)]
    pub(crate) action: Option<GroupAction>,
}

/// An action on groups.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum GroupAction {
    /// Add nodes to a group, which is made if it is new
    Add {
        /// Name of the group: letters, digits, `-` and `_`
        name: String,
        /// Ids, addresses of `ctl invite`, or URLs of peers
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// List them; so does `ctl group` alone
    Ls,
    /// Remove nodes from a group, or the whole group
    Rm {
        /// Name of the group
        name: String,
        /// Ids, addresses of `ctl invite`, or URLs of peers
        nodes: Vec<String>,
    },
}

/// Give others a right at the node, and take it back: programs that act for you, monitors, users of this machine.
///
/// A token is shown in place of the secret, with --token-file. read lets its holder search, list, and read content; fetch
/// lets it bring files into the share, too; admin is everything. Each token is a line: name, level, last use, end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl token add claude --may read --to claude.token
  ctl token add nightly --may fetch --expires 30d > nightly.token
  ctl token ls
  ctl token rm claude                       what runs with it ends within a second
  ctl --token-file claude.token search today.txt")]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) action: Option<TokenAction>,
}

/// An action on tokens.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenAction {
    /// Make a token and print it, once: the node keeps its hash alone
    Add {
        /// Name of the token: letters, digits, `-`, `_` and `.`
        name: String,
        /// What its holder may do
        #[arg(long, value_name = "LEVEL", value_enum)]
        may: MayLevel,
        /// The time after which it ends, such as 12h or 30d [default: never]
        #[arg(long, value_name = "DUR", value_parser = duration::parse)]
        expires: Option<Duration>,
        /// Write the token to this new file, which you alone can read, instead of printing it
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// List them; so does `ctl token` alone
    Ls,
    /// Remove a token. What runs with it ends within a second
    Rm {
        /// Name of the token
        name: String,
    },
}

/// Give files to people without Sixhop, by links that they open in a browser.
///
/// The node serves links at the address of its option --web. A link gives files and folders of the share, a folder as one
/// ZIP, until it is removed or its time is over; with --uses only so many complete downloads. Whoever has the link has the
/// files. Each link is a line: number, what it gives, uses, end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl share add photos/2026 --expires 7d    a folder, for a week
  ctl share add plan.pdf --uses 3           three complete downloads, however often they break off
  ctl share add ~/Public/plan.pdf --password-file word.txt
  ctl share ls
  ctl share rm 4                            what runs by it ends within a second")]
pub(crate) struct ShareArgs {
    #[command(subcommand)]
    pub(crate) action: Option<ShareAction>,
}

/// An action on links.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ShareAction {
    /// Make a link and print it, once: the node keeps its hash alone
    Add {
        /// Files and folders: names in the share, or paths of files in the shared directory
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,
        #[command(flatten)]
        limits: LinkLimits,
    },
    /// List all links, also those by which others leave files; so does `ctl share` alone
    Ls,
    /// Remove a link. What runs by it ends within a second
    Rm {
        /// Number of the link
        id: u64,
    },
}

/// Ask people without Sixhop for files, by a link on whose page they leave them.
///
/// The files go into a folder of the inbox of the node, which nobody else sees: move into the share what is to be there.
/// Nothing is replaced. `ctl share ls` lists the link, and `ctl share rm` ends it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl ask                                   a link for files, up to 2G in all
  ctl ask --into holiday --max 20G --expires 7d
  ctl ask --uses 1 --expires 1h             for one file")]
pub(crate) struct AskArgs {
    /// Name of the folder of the inbox that files go to [default: the number of the link]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) into: Option<String>,
    /// Most bytes of all files together, such as 500M or 20G [default: 2G]
    #[arg(long, value_name = "SIZE")]
    pub(crate) max: Option<Size>,
    #[command(flatten)]
    pub(crate) limits: LinkLimits,
}

/// The limits of a link.
#[derive(Args, Clone, Debug)]
pub(crate) struct LinkLimits {
    /// How many complete downloads it gives, or files it takes [default: without limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) uses: Option<u32>,
    /// The time after which it ends, such as 12h or 7d [default: never]
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) expires: Option<Duration>,
    /// A file whose first line is a password that the link asks for
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// A level of rights, as it is typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum MayLevel {
    /// Search, list, read content, see status and events
    Read,
    /// Bring files into the share, too
    Fetch,
    /// Everything
    Admin,
}

impl MayLevel {
    /// Returns the level of the contract.
    pub(crate) fn level(self) -> Level {
        match self {
            MayLevel::Read => Level::Read,
            MayLevel::Fetch => Level::Fetch,
            MayLevel::Admin => Level::Admin,
        }
    }
}

/// List the files that the node, or a peer of it, shares.
///
/// Each file is a line: name, size, time of its last change.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl ls
  ctl ls photos                             what is in this folder
  ctl ls http://192.0.2.7:4242
  ctl ls http://192.0.2.7:4242 photos
  ctl ls --skipped")]
pub(crate) struct LsArgs {
    /// URL of a peer to ask instead, a folder or file, or both
    #[arg(value_names = ["PEER", "FOLDER"], num_args = 0..=2)]
    pub(crate) what: Vec<String>,
    /// List the entries of the directory that are not shared because of name or kind, with the reason
    #[arg(long)]
    pub(crate) skipped: bool,
}

/// Have the node scan its directory now, and show the changes.
///
/// For network file systems and others that report no changes. A file that is named is read again even if nothing
/// shows a change.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ctl rescan\n  ctl rescan photos\n  ctl rescan notes/today.txt"
)]
pub(crate) struct RescanArgs {
    /// File or folder of the share to scan instead of everything
    pub(crate) name: Option<String>,
}

/// Show the status of the node.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct StatusArgs {
    /// Show its exact counts since its start, too
    #[arg(long)]
    pub(crate) counters: bool,
}

/// Check what the node needs, and say what to do.
///
/// Share, permissions, watching, index, open files, space, clock, ports, reach and peers: each is a line with its state,
/// what was found, and what to do. The exit code is 1 if something failed; warnings alone are 0.
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "\
Examples:
  ctl doctor
  ctl doctor --json | jq -r '.checks[] | select(.state != \"ok\").advice'")]
pub(crate) struct DoctorArgs {}

/// Say what the node logs, or change it until the node ends.
///
/// A level is error, warn, info, debug or trace. It holds for the whole program, or with target=level for a part of it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl log-level
  ctl log-level debug
  ctl log-level info,node_core::transfer=debug
  ctl log-level info                          as usual again")]
pub(crate) struct LogLevelArgs {
    /// Levels, separated by commas
    pub(crate) levels: Option<String>,
}

/// Stop the node.
///
/// It ends its work within five seconds; fetches go on at its next start.
#[derive(Args, Debug)]
pub(crate) struct StopArgs {}

/// Make a new secret for the control connection.
///
/// The old one is refused from then on. Connections that were opened with it end.
#[derive(Args, Debug)]
pub(crate) struct RenewSecretArgs {}

/// Show the events of the node, as they happen.
///
/// Each event has a number, one more than that of the event before. Ends with Ctrl-C, or after --limit events.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl events
  ctl events --since 0 --limit 20
  ctl events --json | jq -c 'select(.type == \"fetch.done\")'")]
pub(crate) struct EventsArgs {
    /// Begin with the events after this one, as far as the node still has them
    #[arg(long, value_name = "ID")]
    pub(crate) since: Option<u64>,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
}

/// Look at the content that the node keeps because it passed through, or remove it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ctl cache ls\n  ctl cache clear")]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    pub(crate) action: CacheAction,
}

/// An action on the cache.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum CacheAction {
    /// List the content, the last used first: digest, size, hits, last use
    Ls,
    /// Remove all of it
    Clear,
}

/// List the handlers of the node, or check and test a script before the node loads it.
///
/// A script is a file that ends in .rhai, in the directory that the node was given with --plugins. It is loaded when it
/// appears; a new version takes its place if it compiles.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl plugin ls
  ctl plugin check title.rhai
  ctl plugin test scripts/handlers/*.rhai")]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    pub(crate) action: PluginAction,
}

/// An action on handlers.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PluginAction {
    /// List the handlers of the node and the files that are none: prefix, state, source, description
    Ls,
    /// Say whether scripts compile and programs introduce themselves; needs no node
    Check {
        /// The scripts and programs
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Run the examples that scripts and programs come with; needs no node
    Test {
        /// The scripts and programs
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Show the node in the browser: search, transfers, the share, the peers.
///
/// Prints the address of a page on this machine and opens it. The address is good for one browser and ten minutes; that
/// browser may use the page until this command ends. The page never gets the secret of the node.
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "Examples:\n  ctl ui\n  ctl ui --port 8080 --no-open")]
pub(crate) struct UiArgs {
    /// Port of the page; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port: u16,
    /// Print the address only
    #[arg(long)]
    pub(crate) no_open: bool,
}

/// Serve programs that act for you, by the Model Context Protocol on standard input and output.
///
/// Such a program starts this itself, and gets tools: search, grep, read, list, nodes; with --allow-fetch fetch, too. Give
/// it a token of its own: with `install`, or with --token-file.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl mcp install claude                    a token that may read, and an entry in its configuration
  ctl mcp --allow-fetch install codex       it may bring files into the share, too
  ctl token rm claude                       take the right back
  ctl mcp skill                             a text that tells a model when to use the tools
  ctl --token-file my.token mcp             what a configuration has, for other programs")]
pub(crate) struct McpArgs {
    /// Let it bring files into the share
    #[arg(long)]
    pub(crate) allow_fetch: bool,
    #[command(subcommand)]
    pub(crate) action: Option<McpAction>,
}

/// An action around the server of tools.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum McpAction {
    /// Give a program a token and an entry in its configuration
    Install {
        /// The program
        #[arg(value_enum)]
        client: McpClient,
    },
    /// Print a text that tells a model when and how to use the tools
    Skill,
}

/// A program that acts for people.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum McpClient {
    /// Claude Code
    Claude,
    /// Codex
    Codex,
    /// Cursor
    Cursor,
}

impl McpClient {
    /// Returns the program whose entry is made.
    pub(crate) fn client(self) -> Client {
        match self {
            McpClient::Claude => Client::Claude,
            McpClient::Codex => Client::Codex,
            McpClient::Cursor => Client::Cursor,
        }
    }
}

/// Call any method of the control connection and print the result.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl call node.status
  ctl call share.list '{\"pattern\": \"*.txt\"}'
  ctl call rpc.discover                     all methods, as an OpenRPC document")]
pub(crate) struct CallArgs {
    /// Name of the method
    pub(crate) method: String,
    /// Its parameters by name: a JSON object
    #[arg(value_name = "JSON")]
    pub(crate) params: Option<String>,
}

/// Run a script.
///
/// Scripts are written in rhai. They drive the node with functions of the names of commands, such as fetch, hello,
/// search and grep, and start nodes of their own with node(#{share: DIR}). docs/scripting.md has all of them.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl run scripts/tour.rhai
  ctl run scripts/mirror.rhai '*.txt'
  ctl run - < nightly.rhai                  the script comes on standard input
  ctl run --max-time 5m nightly.rhai")]
pub(crate) struct RunArgs {
    /// Stop the script after this time, with exit code 124
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) max_time: Option<Duration>,
    /// Stop the script after this many operations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_operations: Option<u64>,
    /// The script, and its args; options after it are the script's own
    #[arg(
        value_names = ["FILE", "ARG"],
        num_args = 1..,
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) script: Vec<String>,
}

/// Talk to the node at a prompt.
///
/// Type help at the prompt to see the commands. exit and end-of-file leave it.
#[derive(Args, Debug)]
#[cfg_attr(
    feature = "embedded",
    command(after_help = "\
Examples:
  ctl shell                               talk to the node that runs
  ctl shell --share files --url http://192.0.2.7:4242 --peers urls.txt
                                          run a node for the time of the shell")
)]
pub(crate) struct ShellArgs {
    #[cfg(feature = "embedded")]
    #[command(flatten)]
    pub(crate) node: ShellNodeArgs,
}

/// The node that the shell runs, if it runs one.
#[cfg(feature = "embedded")]
#[derive(Args, Debug)]
pub(crate) struct ShellNodeArgs {
    /// Run a node that shares this directory, for the time of the shell
    #[arg(long, value_name = "DIR")]
    pub(crate) share: Option<PathBuf>,
    /// URL under which peers reach that node; its port is the one to listen on
    #[arg(long, value_name = "URL", requires = "share")]
    pub(crate) url: Option<String>,
    /// File with the URLs of peers, one a line
    #[arg(long, value_name = "FILE", requires = "share")]
    pub(crate) peers: Option<PathBuf>,
    /// Address on which that node listens [default: the port of the URL, else a free one]
    #[arg(long, value_name = "ADDR:PORT", requires = "share")]
    pub(crate) listen: Option<std::net::SocketAddr>,
}

/// Run a node in this terminal.
///
/// This is noded with its options. Ctrl-C ends it.
#[cfg(feature = "embedded")]
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ctl up --share ~/Public
  ctl up --share ~/Public --listen 192.0.2.5:4242 --peer http://192.0.2.7:4242")]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) node: node::cli::NodeArgs,
}

/// Print completions for a shell.
///
/// At Tab they ask the node for names, peers and fetches, for a second at most.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  source <(ctl completions bash)
  ctl completions fish > ~/.config/fish/completions/ctl.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// Print what the last word can become: for the scripts of `ctl completions`.
#[derive(Args, Debug)]
pub(crate) struct CompleteArgs {
    /// The line as far as it was typed, with the quotes of a shell, instead of its words
    #[arg(long, conflicts_with = "words", allow_hyphen_values = true)]
    pub(crate) line: Option<String>,
    /// The words behind `ctl`, as far as they were typed
    #[arg(last = true, value_name = "WORD")]
    pub(crate) words: Vec<String>,
}

/// Write the man pages of ctl, of each of its commands, and of noded.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Directory for them
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

impl GlobalArgs {
    /// Returns the outlet for results and messages.
    pub(crate) fn output(&self) -> Output {
        let format = if self.json {
            Format::Json
        } else {
            Format::Text
        };
        let verbosity = if self.quiet {
            Verbosity::Quiet
        } else {
            Verbosity::Normal
        };
        Output {
            format,
            verbosity,
            color: self.color,
        }
    }
}

impl WatchArgs {
    /// Returns the query: words that the shell has taken apart are one query.
    pub(crate) fn query(&self) -> String {
        self.words.join(" ")
    }
}

impl SearchArgs {
    /// Returns the query: words that the shell has taken apart are one query.
    pub(crate) fn query(&self) -> String {
        self.words.join(" ")
    }

    /// Returns the reach of the search.
    pub(crate) fn reach(&self) -> SearchReach {
        match (self.quick, self.sure) {
            (true, _) => SearchReach::Quick,
            (_, true) => SearchReach::Sure,
            (false, false) => SearchReach::Normal,
        }
    }
}

impl FetchArgs {
    /// Returns the treatment of a file that is there already.
    pub(crate) fn existing(&self) -> Existing {
        if self.replace {
            Existing::Replace
        } else {
            Existing::Keep
        }
    }
}

#[cfg(test)]
mod tests;
