//! The house rules that a machine can check: module docs, nothing left undone, links and commands that lead somewhere,
//! and dependencies that point one way.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_rust_file_opens_with_its_purpose() {
    let strangers = files(&["rs"]).into_iter().filter(|file| !file.text.starts_with("//!"));
    report("does not open with `//!`", strangers.map(|file| file.name));
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    // Put together here, so that this file does not find itself.
    let marks = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["dbg", "!("],
        ["todo", "!("],
        ["unimplemented", "!("],
        ["#[ig", "nore"],
        ["test.sk", "ip("],
    ]
    .map(|halves| halves.concat());
    let found = lines(WRITTEN).filter(|line| marks.iter().any(|mark| line.text.contains(mark.as_str())));
    report("is left undone or switched off", found.map(|line| line.place()));
}

#[test]
fn no_path_of_somebodys_machine() {
    let homes = ["home", "root", "Users", "work"].map(|name| format!("/{name}/"));
    let found = lines(WRITTEN).chain(lines(&["json"])).filter(|line| {
        homes.iter().any(|home| {
            line.text.match_indices(home.as_str()).any(|(at, _)| {
                // Behind another name it is a path inside of the project.
                !line.text[..at]
                    .ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '}' | '_' | '-'))
            })
        })
    });
    report("names a path of somebody's machine", found.map(|line| line.place()));
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for file in files(&["md"]) {
        let folder = root().join(&file.name).parent().expect("a file has a folder").to_owned();
        for target in link_targets(&file.text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
            let there = if path.is_empty() { root().join(&file.name) } else { folder.join(path) };
            let found = there.exists()
                && (heading.is_empty()
                    || fs::read_to_string(&there).is_ok_and(|text| headings(&text).contains(heading)));
            if !found {
                dead.push(format!("{} -> {target}", file.name));
            }
        }
    }
    report("is a dead link", dead);
}

#[test]
fn commands_in_the_documents_exist() {
    let packages = packages();
    let mut wrong = Vec::new();
    for line in lines(&["md", "run"]) {
        let words: Vec<&str> = line.text.split(|c: char| c.is_whitespace() || c == '`').collect();
        let Some(at) = words.windows(2).position(|pair| pair[0] == "cargo" && is_cargo_command(pair[1]))
        else {
            continue;
        };
        let value_of = |flags: &[&str]| {
            let value = words[at..].iter().skip_while(|word| !flags.contains(word)).nth(1);
            value.map(|value| value.trim_end_matches([',', '.', ')', ';']).to_owned())
        };
        let Some(name) = value_of(&["-p", "--package"]) else { continue };
        let Some(package) = packages.iter().find(|package| package.name == name) else {
            wrong.push(format!("{}: no package {name}", line.place()));
            continue;
        };
        if let Some(binary) = value_of(&["--bin"])
            && !package.manifest.contains(&format!("name = \"{binary}\""))
        {
            wrong.push(format!("{}: no binary {binary} in {name}", line.place()));
        }
    }
    report("is a command that does not exist", wrong);
}

/// A promise that rests on a test rests on one that is there: `module::test` is a function of that module's file.
#[test]
fn tests_in_the_documents_exist() {
    let sources = files(&["rs"]);
    let mut wrong = Vec::new();
    for line in lines(&["md"]).filter(|line| ["README.md", "docs/testing.md"].contains(&line.file.as_str())) {
        for (module, test) in line.text.split('`').skip(1).step_by(2).filter_map(test_name) {
            let places = [format!("/{module}.rs"), format!("/{module}/tests.rs")];
            let signature = format!("fn {test}(");
            let is_there = |file: &File| {
                places.iter().any(|place| file.name.ends_with(place)) && file.text.contains(&signature)
            };
            if !sources.iter().any(is_there) {
                wrong.push(format!("{}: {module}::{test}", line.place()));
            }
        }
    }
    report("is a test that does not exist", wrong);
}

#[test]
fn every_deliberate_fault_names_what_catches_it() {
    let faults = read("anchor-core/src/sabotage.rs");
    let testing = read("docs/testing.md");
    let names = faults.lines().filter_map(|line| line.strip_suffix("\";")?.split(" = \"").nth(1));
    let rows: Vec<&str> = testing.lines().filter(|line| line.starts_with("| `")).collect();
    let names: Vec<&str> = names.collect();
    assert!(!names.is_empty(), "anchor-core/src/sabotage.rs names its faults");
    let strangers = names.into_iter().filter(|name| {
        let row = rows.iter().find(|row| row.starts_with(&format!("| `{name}` |")));
        row.is_none_or(|row| !row.split('`').skip(1).step_by(2).any(|span| test_name(span).is_some()))
    });
    report("is a fault for which docs/testing.md names no test", strangers.map(str::to_owned));
}

#[test]
fn the_readme_shows_the_two_commands() {
    let readme = read("README.md");
    for command in [
        "cargo run --release -p anchor-server",
        "cargo run --release -p anchor-cli -- --user ada chat lobby",
        "cargo test --workspace",
    ] {
        assert!(readme.contains(command), "README.md does not show `{command}`");
    }
    assert!(
        read(".ci/run").contains("cargo test --workspace"),
        ".ci/run does not run the README's test command"
    );
}

/// What the oldest compiler is that builds this, said once in each place that somebody looks at. CI builds with it.
#[test]
fn the_oldest_toolchain_is_the_same_everywhere() {
    let manifest = read("Cargo.toml");
    let promised = manifest.split("\nrust-version = \"").nth(1).and_then(|rest| rest.split('"').next());
    let promised = promised.expect("the workspace has a rust-version");
    let mut wrong = Vec::new();
    for (file, said) in [
        ("clippy.toml", format!("msrv = \"{promised}\"")),
        ("anchor-core/clippy.toml", format!("msrv = \"{promised}\"")),
        ("README.md", format!("Rust {promised} ")),
        ("docs/guide/embedding.md", format!("Rust {promised} ")),
    ] {
        if !read(file).contains(&said) {
            wrong.push(format!("{file} does not say `{said}`"));
        }
    }
    // Whoever builds here gets the newest stable toolchain, or that one.
    let toolchain = read("rust-toolchain.toml");
    if !["stable", promised].iter().any(|channel| toolchain.contains(&format!("channel = \"{channel}\""))) {
        wrong.push("rust-toolchain.toml names another one".to_owned());
    }
    let packages = packages().into_iter();
    let strangers = packages.filter(|package| !package.manifest.contains("\nrust-version.workspace = true"));
    wrong.extend(strangers.map(|package| format!("{} has a rust-version of its own", package.name)));
    report("disagrees about the oldest toolchain", wrong);
}

/// So that the snippet compiles and runs, as a documentation test of the facade.
#[test]
fn the_readme_shows_the_example_of_the_facade() {
    let readme = read("README.md");
    let snippet =
        readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a snippet");
    let facade = read("anchor/src/lib.rs").replace("&path", "\"chat-data\"");
    let strangers =
        snippet.lines().filter(|line| !facade.contains(&format!("//! {line}\n")) && !line.is_empty());
    report("is not in the example of anchor/src/lib.rs", strangers.map(str::to_owned));
}

#[test]
fn dependencies_point_one_way() {
    const ALLOWED: &[(&str, &[&str])] = &[
        ("anchor-core", &[]),
        ("anchor-system", &["anchor-core"]),
        ("anchor-store", &["anchor-core"]),
        ("anchor-transport", &["anchor-core"]),
        ("anchor-search", &["anchor-core"]),
        ("anchor-webhook", &["anchor-core", "anchor-transport"]),
        (
            "anchor-server",
            &[
                "anchor-core",
                "anchor-system",
                "anchor-store",
                "anchor-transport",
                "anchor-search",
                "anchor-webhook",
            ],
        ),
        ("anchor", &["anchor-core", "anchor-system", "anchor-store", "anchor-transport", "anchor-server"]),
        ("anchor-sim", &["anchor-core", "anchor-store", "anchor-transport"]),
    ];
    let mut wrong = Vec::new();
    for Package { name, manifest } in packages() {
        let allowed = ALLOWED.iter().find(|(package, _)| *package == name).map(|(_, allowed)| *allowed);
        let own = manifest
            .split("\n[")
            .filter(|section| section.starts_with("dependencies]"))
            .flat_map(str::lines)
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|dependency| *dependency == "anchor" || dependency.starts_with("anchor-"));
        // What is not named may use whatever it likes, but for the simulator: that is for tests.
        let is_wrong = |dependency: &&str| match allowed {
            Some(allowed) => !allowed.contains(dependency),
            None => *dependency == "anchor-sim",
        };
        wrong.extend(own.filter(is_wrong).map(|dependency| format!("{name} -> {dependency}")));
    }
    report("is a dependency that points the wrong way", wrong);
    let core = read("anchor-core/Cargo.toml");
    for foreign in ["tokio", "redb", "getrandom", "axum"] {
        assert!(
            !core.contains(&format!("\n{foreign}")),
            "anchor-core depends on {foreign}: it does no I/O of its own"
        );
    }
}

#[test]
fn every_package_keeps_the_workspace_lints() {
    let strangers =
        packages().into_iter().filter(|package| !package.manifest.contains("[lints]\nworkspace = true"));
    report("does not inherit the workspace's lints", strangers.map(|package| package.name));
}

#[test]
fn decisions_have_their_parts() {
    let mut wrong = Vec::new();
    for file in files(&["md"]).into_iter().filter(|file| file.name.starts_with("docs/decisions/0")) {
        for part in ["Status:", "## Problem", "## Decision", "## Alternatives", "## What would reverse it"] {
            if !file.text.contains(part) {
                wrong.push(format!("{}: {part}", file.name));
            }
        }
    }
    report("lacks a part", wrong);
}

struct File {
    /// Path below the root.
    name: String,
    text: String,
}

struct Line {
    file: String,
    number: usize,
    text: String,
}

impl Line {
    fn place(&self) -> String {
        format!("{}:{}", self.file, self.number)
    }
}

struct Package {
    name: String,
    manifest: String,
}

fn report(what: &str, found: impl IntoIterator<Item = String>) {
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("cannot read {name}: {error}"))
}

/// The members of the workspace.
fn packages() -> Vec<Package> {
    let members = read("Cargo.toml");
    let members = members
        .split("members = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .expect("a list of members");
    let folders = members.split('"').skip(1).step_by(2);
    folders
        .map(|folder| read(&format!("{folder}/Cargo.toml")))
        .map(|manifest| {
            let name = manifest.split("name = \"").nth(1).and_then(|rest| rest.split('"').next());
            Package { name: name.expect("a package has a name").to_owned(), manifest }
        })
        .collect()
}

fn lines(kinds: &'static [&'static str]) -> impl Iterator<Item = Line> {
    files(kinds).into_iter().flat_map(|file| {
        let lines: Vec<Line> = file
            .text
            .lines()
            .enumerate()
            .map(|(index, text)| Line { file: file.name.clone(), number: index + 1, text: text.to_owned() })
            .collect();
        lines
    })
}

/// The project's own files of these extensions (or of these whole names), in a fixed order.
fn files(kinds: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root(), "", kinds, &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!found.is_empty(), "the tree has files");
    found
}

fn collect(folder: &Path, below: &str, kinds: &[&str], found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let entry = entry.expect("a readable entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = entry.file_type().expect("a known file type");
        if kind.is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                collect(&entry.path(), &path, kinds, found);
            }
        } else if kind.is_file() {
            let extension = name.rsplit('.').next().unwrap_or_default();
            if kinds.contains(&extension)
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                found.push(File { name: path, text });
            }
        }
    }
}

/// Extensions of what people write, and whole names of scripts.
const WRITTEN: &[&str] = &[
    "rs",
    "toml",
    "js",
    "mjs",
    "py",
    "html",
    "md",
    "run",
    "smoke",
    "autobahn",
    "instructions",
    "public-api",
];

/// Folders that are made, fetched or written at run time.
const NOT_OURS: &[&str] =
    &["target", ".git", "node_modules", ".venv", "anchor-data", "chat-data", "proptest-regressions"];

/// What the inline links of a Markdown text point to; code is left out.
fn link_targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        let parts: Vec<&str> = line.split("](").collect();
        for part in parts.iter().skip(1) {
            if let Some(target) = part.split([')', ' ']).next() {
                targets.push(target.to_owned());
            }
        }
    }
    targets
}

/// The headings of a Markdown text as the fragments of links to them.
fn headings(text: &str) -> BTreeSet<String> {
    let titles = prose(text).into_iter().filter(|line| line.starts_with('#'));
    titles
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The lines of a Markdown text outside of fenced blocks, without code spans.
fn prose(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut kept = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced && line.starts_with('#') {
            kept.push(line.to_owned());
        } else if !fenced {
            kept.push(line.split('`').step_by(2).collect());
        }
    }
    kept
}

/// The module and the function that a code span names, if it names a test: a sentence in words behind its module.
fn test_name(span: &str) -> Option<(&str, &str)> {
    let (path, name) = span.rsplit_once("::")?;
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_test = name.matches('_').count() >= 2 && name.chars().all(is_word);
    is_test.then(|| (path.rsplit("::").next().unwrap_or(path), name))
}

fn is_cargo_command(word: &str) -> bool {
    matches!(word, "run" | "test" | "build" | "check" | "bench" | "doc" | "clippy")
}
