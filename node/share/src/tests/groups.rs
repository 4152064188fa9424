//! Storing many files together.

use super::*;

/// Stores these names with their own names as bytes. Returns the result of each.
fn store_together(home: &Home, names: &[&str], replace: Replace) -> (Vec<String>, Vec<usize>) {
    let names: Vec<ShareName> = names.iter().map(|text| name(text)).collect();
    let files: Vec<WholeFile<'_>> = names
        .iter()
        .map(|name| WholeFile {
            name,
            bytes: name.as_str().as_bytes(),
            about: About::default(),
            replace,
        })
        .collect();
    let mut placed = Vec::new();
    let results = home.share.store_all(&files, &mut |file, stamp| {
        assert_eq!(stamp, home.share.stamp(&names[file]).unwrap());
        placed.push(file);
    });
    let said = results.into_iter().map(|result| match result {
        Ok(()) => "stored".to_owned(),
        Err(error) => error.to_string(),
    });
    placed.sort_unstable();
    (said.collect(), placed)
}

fn temporaries(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap();
    let counts = entries.map(|entry| {
        let path = entry.unwrap().path();
        let is_temporary = path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(".sixhop-part-");
        usize::from(is_temporary) + if path.is_dir() { temporaries(&path) } else { 0 }
    });
    counts.sum()
}

#[test]
fn a_group_is_stored_and_a_file_that_fails_costs_only_itself() {
    let home = home();
    store(&home.share, "d/there.txt", b"mine", Replace::Never).unwrap();
    let many: Vec<String> = (0..40).map(|n| format!("e/{}/{n}.txt", n % 3)).collect();
    let mut names = vec!["d/there.txt", "d/new.txt", ".sixhopignore", "d/There.txt"];
    names.extend(many.iter().map(String::as_str));
    let (said, placed) = store_together(&home, &names, Replace::Never);
    assert_eq!(said[0], "`d/there.txt` is in the share already");
    assert!(
        said[2].contains("says what this node shares"),
        "{}",
        said[2]
    );
    assert!(
        said[3].contains("differs only in letter case"),
        "{}",
        said[3]
    );
    assert!(said[4..].iter().all(|said| said == "stored"), "{said:?}");
    assert_eq!(placed.len(), 41);
    assert_eq!(fs::read(home.path("d/there.txt")).unwrap(), b"mine");
    assert_eq!(fs::read(home.path("d/new.txt")).unwrap(), b"d/new.txt");
    for name in &many {
        assert_eq!(fs::read(home.path(name)).unwrap(), name.as_bytes());
    }
    assert_eq!(home.names().len(), 42);
    assert_eq!(temporaries(&home.path("")), 0);
}

#[test]
fn names_of_a_group_that_differ_only_in_case_are_one_name() {
    let home = home();
    let names = [
        "Photos/a.jpg",
        "Photos/A.jpg",
        "photos/c.jpg",
        "Photos/b.jpg",
    ];
    let (said, placed) = store_together(&home, &names, Replace::Never);
    assert_eq!(placed.len(), 2, "{said:?}");
    assert_eq!(said[3], "stored");
    assert!(said[2].contains("`Photos`"), "{}", said[2]);
    let stored = home.names();
    assert!(
        stored.iter().all(|name| name.starts_with("Photos/")),
        "{stored:?}"
    );
}

#[test]
fn a_group_replaces_only_if_the_owner_said_so() {
    let home = home();
    store(&home.share, "a.txt", b"old", Replace::Never).unwrap();
    let names = ["a.txt", "b.txt"];
    let (said, _) = store_together(&home, &names, Replace::Existing);
    assert_eq!(said, ["stored", "stored"]);
    assert_eq!(fs::read(home.path("a.txt")).unwrap(), b"a.txt");
}

#[test]
fn a_group_that_cannot_be_written_leaves_no_directories() {
    let home = home();
    fs::write(home.path("file"), "a file, no folder").unwrap();
    let (said, placed) = store_together(&home, &["file/a", "file/b"], Replace::Never);
    assert!(placed.is_empty());
    assert!(said.iter().all(|said| said.contains("`file`")), "{said:?}");
    assert_eq!(temporaries(&home.path("")), 0);
}
