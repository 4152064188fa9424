//! Random steps in a shared directory: after each quiet moment the catalogue, the digests and the index are what the
//! disk is.
//!
//! `SIXHOP_MODEL_STEPS` gives another number of steps, `SIXHOP_MODEL_SEED` the steps of an earlier run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use e2e::{NodeProcess, http, wait_until};
use serde_json::{Value, json};

use super::{Mount, is_root, obedient};

/// Steps in each run of the tests.
const STEPS: usize = 300;

/// Steps between two quiet moments.
const TOGETHER: usize = 20;

/// Longest time until all is known; much less when the machine is idle.
const QUIET: Duration = Duration::from_secs(30);

const WORDS: [&str; 8] = [
    "alder", "birch", "cedar", "dogwood", "elder", "fir", "ginkgo", "hazel",
];

/// A line without any of the words.
const FILLER: &str = "a line that has none of them, as there are many in a log\n";

/// Lines of a long file.
const LONG_LINES: usize = 1_000;

const FOLDERS: [&str; 4] = ["", "a/", "a/b/", "c/"];

/// The place where a disk is mounted, if one can be.
const DISK: &str = "disk/";

/// Numbers that look random and come again with the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % most as u64).unwrap()
    }

    fn of<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.below(some.len())]
    }
}

/// A program that writes to files through mappings.
struct Mapper {
    child: Child,
    asked: ChildStdin,
    done: BufReader<ChildStdout>,
}

impl Mapper {
    fn start() -> Mapper {
        let program = "import mmap,sys
for line in sys.stdin:
    path,at,text=line.rstrip('\\n').split('\\t')
    f=open(path,'r+b'); m=mmap.mmap(f.fileno(),0); at=int(at); b=text.encode()[:len(m)-at]
    m[at:at+len(b)]=b; m.close(); f.close(); print('done',flush=True)";
        let mut child = Command::new("python3")
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Mapper {
            asked: child.stdin.take().unwrap(),
            done: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn write(&mut self, path: &Path, at: usize, text: &str) {
        writeln!(self.asked, "{}\t{at}\t{text}", path.display()).unwrap();
        let mut line = String::new();
        self.done.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }
}

impl Drop for Mapper {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The directory and the steps that change it.
struct Garden {
    share: PathBuf,
    beside: PathBuf,
    dice: Dice,
    mapper: Mapper,
    mount: Option<Mount>,
    history: Vec<String>,
}

/// A shared file, as the disk has it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct There {
    bytes: Vec<u8>,
    is_locked: bool,
}

impl Garden {
    fn text(&mut self) -> String {
        let count = 1 + self.dice.below(6);
        let words: Vec<&str> = (0..count).map(|_| *self.dice.of(&WORDS)).collect();
        words.join(" ") + "\n"
    }

    fn name(&mut self) -> String {
        let disk = self.mount.is_some() && self.dice.below(4) == 0;
        let folder = if disk { DISK } else { self.dice.of(&FOLDERS) };
        format!("{folder}{}.txt", self.dice.below(6))
    }

    fn any_file(&mut self) -> Option<(String, PathBuf)> {
        let there: Vec<String> = there(&self.share).into_keys().collect();
        if there.is_empty() {
            return None;
        }
        let name = self.dice.of(&there).clone();
        let path = self.share.join(&name);
        Some((name, path))
    }

    /// Does something, and notes it.
    fn step(&mut self, node: &NodeProcess) {
        let step = match self.dice.below(40) {
            0..=9 => self.write(),
            10..=14 => self.append(),
            15..=18 => self.rename(),
            19..=20 => self.link(),
            21..=22 => self.chmod(),
            23..=27 => self.map(),
            28..=32 => self.write_with_old_time(),
            33..=35 => self.remove(),
            36 => self.move_folder(),
            37 => self.replace_folder(),
            38 => self.mount_or_unmount(),
            _ => self.replace_root(node),
        };
        self.history.push(step.unwrap_or_default());
    }

    /// Writes a file: now and then one so long that only what is appended to it is indexed.
    fn write(&mut self) -> Option<String> {
        let (name, text) = (self.name(), self.text());
        let lines = *self.dice.of(&[0, 0, 0, LONG_LINES]);
        let path = self.share.join(&name);
        fs::create_dir_all(path.parent()?).ok()?;
        fs::write(path, FILLER.repeat(lines) + &text).ok()?;
        Some(format!("write {name}: {lines} lines, {text}"))
    }

    fn append(&mut self) -> Option<String> {
        let ((name, path), text) = (self.any_file()?, self.text());
        let mut file = fs::File::options().append(true).open(path).ok()?;
        file.write_all(text.as_bytes()).ok()?;
        Some(format!("append {name}: {text}"))
    }

    fn rename(&mut self) -> Option<String> {
        let ((from, path), to) = (self.any_file()?, self.name());
        let target = self.share.join(&to);
        fs::create_dir_all(target.parent()?).ok()?;
        fs::rename(path, target).ok()?;
        Some(format!("rename {from} {to}"))
    }

    fn link(&mut self) -> Option<String> {
        let ((from, path), to) = (self.any_file()?, self.name());
        let target = self.share.join(&to);
        fs::create_dir_all(target.parent()?).ok()?;
        fs::hard_link(path, target).ok()?;
        Some(format!("link {from} {to}"))
    }

    fn chmod(&mut self) -> Option<String> {
        use std::os::unix::fs::PermissionsExt;
        let (name, path) = self.any_file()?;
        // Only root reads what nobody may read, to compare it.
        let closed = if is_root() { 0 } else { 0o600 };
        let mode = *self.dice.of(&[closed, 0o600, 0o644]);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).ok()?;
        Some(format!("chmod {mode:o} {name}"))
    }

    fn map(&mut self) -> Option<String> {
        let ((name, path), text) = (self.any_file()?, self.text());
        let length = usize::try_from(fs::metadata(&path).ok()?.len()).ok()?;
        let at = self.dice.below(length.max(1));
        (length > 0).then(|| self.mapper.write(&path, at, text.trim_end()))?;
        Some(format!("map {name} at {at}: {text}"))
    }

    /// Writes other bytes of the same length, and sets the time back.
    fn write_with_old_time(&mut self) -> Option<String> {
        let (name, path) = self.any_file()?;
        let before = fs::metadata(&path).ok()?;
        let mut bytes = fs::read(&path).ok()?;
        let text = self.text().into_bytes();
        let length = bytes.len();
        bytes.splice(..text.len().min(length), text.iter().copied().take(length));
        fs::write(&path, bytes).ok()?;
        let file = fs::File::options().write(true).open(&path).ok()?;
        file.set_modified(before.modified().ok()?).ok()?;
        Some(format!("write with the old time {name}"))
    }

    fn remove(&mut self) -> Option<String> {
        let (name, path) = self.any_file()?;
        fs::remove_file(path).ok()?;
        Some(format!("remove {name}"))
    }

    fn move_folder(&mut self) -> Option<String> {
        let (from, to) = *self
            .dice
            .of(&[("a", "d"), ("d", "a"), ("c", "a/e"), ("a/e", "c")]);
        fs::rename(self.share.join(from), self.share.join(to)).ok()?;
        Some(format!("move {from} {to}"))
    }

    /// Puts a folder in the place of another in the same moment.
    fn replace_folder(&mut self) -> Option<String> {
        let (folder, text) = (self.share.join("c"), self.text());
        let new = self.beside.join("new");
        fs::create_dir_all(&new).ok()?;
        fs::write(new.join("0.txt"), &text).ok()?;
        drop(fs::remove_dir_all(&folder));
        fs::rename(new, folder).ok()?;
        Some(format!("replace c: {text}"))
    }

    fn mount_or_unmount(&mut self) -> Option<String> {
        match self.mount.take() {
            Some(mount) => {
                drop(mount);
                Some("unmount".to_owned())
            }
            None => {
                self.mount = Mount::new(&self.share.join(DISK.trim_end_matches('/')));
                Some("mount".to_owned())
            }
        }
    }

    /// Puts another directory in the place of the share, as its owner says.
    fn replace_root(&mut self, node: &NodeProcess) -> Option<String> {
        self.mount = None;
        let old = self.beside.join(format!("root{}", self.history.len()));
        fs::rename(&self.share, old).ok()?;
        fs::create_dir(&self.share).ok()?;
        for number in 0..3 {
            fs::write(self.share.join(format!("{number}.txt")), self.text()).ok()?;
        }
        node.control().must("share.accept", json!({}));
        Some("replace the root".to_owned())
    }
}

/// Returns all shared files of the directory.
fn there(share: &Path) -> BTreeMap<String, There> {
    let mut all = BTreeMap::new();
    walk(share, "", &mut all);
    all
}

fn walk(directory: &Path, below: &str, all: &mut BTreeMap<String, There>) {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            walk(&entry.path(), &format!("{name}/"), all);
        } else {
            let there = There {
                bytes: fs::read(entry.path()).unwrap(),
                is_locked: metadata.permissions().mode() & 0o400 == 0,
            };
            all.insert(name, there);
        }
    }
}

/// Compares the answers of the node with the disk.
fn compare(node: &NodeProcess, share: &Path) -> Result<(), String> {
    let there = there(share);
    let listing = node.control().must("share.list", json!({}));
    let listed: BTreeMap<String, &Value> = listing["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["name"].as_str().unwrap().to_owned(), file))
        .collect();
    if listed.keys().ne(there.keys()) {
        return Err(format!(
            "listed {:?}, there {:?}",
            listed.keys(),
            there.keys()
        ));
    }
    let mut by_digest = BTreeMap::<&str, &[u8]>::new();
    for (name, file) in &there {
        let said = listed[name];
        if said["size"] != file.bytes.len() {
            return Err(format!("{name}: size {}", said["size"]));
        }
        match said["digest"].as_str() {
            None if file.is_locked => continue,
            None => return Err(format!("{name}: no digest")),
            Some(digest) => {
                let other = by_digest.insert(digest, &file.bytes);
                if other.is_some_and(|other| other != file.bytes) {
                    return Err(format!("{name}: the digest of another"));
                }
            }
        }
    }
    contents_are_served(node, &there, &by_digest)?;
    words_are_found(node, &there)
}

/// Checks that each digest leads to the bytes of its file.
fn contents_are_served(
    node: &NodeProcess,
    there: &BTreeMap<String, There>,
    by_digest: &BTreeMap<&str, &[u8]>,
) -> Result<(), String> {
    for (digest, bytes) in by_digest {
        let blob = http::get(&node.url, &format!("/blobs/{digest}")).unwrap();
        let is_locked = there
            .values()
            .any(|file| file.is_locked && file.bytes == *bytes);
        if (blob.status, blob.body.as_slice()) != (200, *bytes) && !is_locked {
            return Err(format!("{digest}: {} {:?}", blob.status, blob.text()));
        }
    }
    Ok(())
}

/// Checks that each word is found in the files that have it, and in no other.
fn words_are_found(node: &NodeProcess, there: &BTreeMap<String, There>) -> Result<(), String> {
    for word in WORDS {
        for handler in ["grep", "text"] {
            let query = json!({ "query": format!("{handler}:{word}"), "limit": 10_000 });
            let answer = node.control().must("search.query", query);
            let hits = answer["hits"].as_array().unwrap().iter();
            let found: BTreeSet<&str> = hits.map(|hit| hit["name"].as_str().unwrap()).collect();
            let has = |file: &There| {
                let text = String::from_utf8_lossy(&file.bytes);
                let mut words = text.split(|c: char| !c.is_alphanumeric());
                let has = match handler {
                    "grep" => text.contains(word),
                    _ => words.any(|other| other == word),
                };
                has && !file.is_locked
            };
            let expected = there.iter().filter(|(_, file)| has(file));
            let expected: BTreeSet<&str> = expected.map(|(name, _)| name.as_str()).collect();
            if found != expected {
                return Err(format!("{handler}:{word} {found:?}, there {expected:?}"));
            }
            let locked = there.values().any(|file| file.is_locked);
            if (answer["end"] == "partial") != locked {
                return Err(format!("{handler}:{word} ends {}", answer["end"]));
            }
        }
    }
    Ok(())
}

#[test]
fn after_random_steps_the_node_knows_what_is_on_the_disk() {
    let given = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = given("SIXHOP_MODEL_SEED").unwrap_or_else(|| u64::from(now().subsec_nanos()));
    let steps = given("SIXHOP_MODEL_STEPS").map_or(STEPS, |steps| usize::try_from(steps).unwrap());
    println!("SIXHOP_MODEL_SEED={seed}");
    let node = obedient().file("0.txt", "alder\n").start();
    let mut garden = Garden {
        share: node.home().share(),
        beside: node.home().root().to_owned(),
        dice: Dice(seed),
        mapper: Mapper::start(),
        mount: None,
        history: Vec::new(),
    };
    for step in 1..=steps {
        garden.step(&node);
        if step % TOGETHER == 0 {
            let recent = &garden.history[garden.history.len() - TOGETHER..];
            println!("{recent:#?}");
            let begun = std::time::Instant::now();
            wait_until("the node knows what is there", QUIET, || {
                compare(&node, &garden.share)
            });
            println!("{step} steps: known after {:?}", begun.elapsed());
        }
    }
    garden.mount = None;
    node.stop();
}
