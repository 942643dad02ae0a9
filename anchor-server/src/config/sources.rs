//! Where values come from: flags beat the environment, which beats the file, which beats the defaults.
//!
//! Each source is read by the parser of the command line, one option at a time, so that a wrong key or value is named
//! together with the place where it stands.

use std::error::Error as _;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, FromArgMatches};
use thiserror::Error;

use super::settings::{Settings, options_command, variable_of};
use super::{CommandLine, Config};

/// The sources of a configuration, before they are laid over each other.
#[derive(Clone, Debug)]
pub struct Layers {
    flags: CommandLine,
    environment: Vec<(OsString, OsString)>,
}

impl Layers {
    /// The flags and the variables of a process. Variables that do not begin with `ANCHOR_` are ignored, and empty ones.
    pub fn new(flags: CommandLine, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { flags, environment: environment.into_iter().collect() }
    }

    /// Reads the file, if one is named, and lays the sources over each other.
    ///
    /// # Errors
    /// [`ConfigError`]: the first key or value that is wrong, in whichever source.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let mut variables = Settings::default();
        let mut file = self.flags.config;
        for (name, value) in self.environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if value.is_empty() || belongs_to_others(name) {
                continue;
            }
            if name == CONFIG_VARIABLE {
                file = file.or(Some(PathBuf::from(value)));
                continue;
            }
            let origin = Place::Variable(name.to_owned());
            let option = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase().replace('_', "-");
            // `ANCHOR_listen` is not what `with_variables` names.
            let option = if variable_of(&option) == name { option } else { name.to_owned() };
            variables = one(&origin, &option, vec![value])?.or(variables);
        }
        let settings = self.flags.settings.or(variables);
        let settings = match file {
            Some(path) => settings.or(read_file(&path)?),
            None => settings,
        };
        Ok(settings.into_config())
    }
}

/// Why there is no configuration. Each names the key and where it stands.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The command line is wrong, or asks for help or the version: print it.
    #[error(transparent)]
    Flags(#[from] clap::Error),
    /// No such option.
    #[error("{place}: there is no such option{}", .similar.as_deref().map_or_else(
        || "; `anchor-server --help` lists them".to_owned(),
        |similar| format!("; did you mean `{similar}`?"),
    ))]
    UnknownKey {
        /// The key and where it stands.
        place: Place,
        /// What may have been meant, spelled as that place spells it.
        similar: Option<String>,
    },
    /// The value of an option breaks its rule.
    #[error("{place}: wrong value: {problem}")]
    Value {
        /// The key and where it stands.
        place: Place,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: check the path given by --config or ANCHOR_CONFIG")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("the configuration file {path} is not valid TOML")]
    NoToml {
        /// The file.
        path: PathBuf,
        /// Where, and why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

/// Where a key stands.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Place {
    /// In the environment.
    #[error("environment variable {0}")]
    Variable(String),
    /// In a file.
    #[error("key `{key}` in {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
}

/// Reads the values of a file.
fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let table: toml::Table = toml::from_str(&text)
        .map_err(|source| ConfigError::NoToml { path: path.to_owned(), source: Box::new(source) })?;
    table.into_iter().try_fold(Settings::default(), |settings, (key, value)| {
        let place = Place::File { path: path.to_owned(), key: key.clone() };
        let values = match value {
            toml::Value::Array(items) => items.into_iter().map(plain).collect(),
            single => plain(single).map(|value| vec![value]),
        };
        let values = values.ok_or_else(|| ConfigError::Value {
            place: place.clone(),
            problem: "give a string, a whole number, true, false, or a list of strings".to_owned(),
        })?;
        Ok(one(&place, &key, values)?.or(settings))
    })
}

/// A value of the file as a flag would have it.
fn plain(value: toml::Value) -> Option<OsString> {
    match value {
        toml::Value::String(text) => Some(text.into()),
        toml::Value::Integer(number) => Some(number.to_string().into()),
        toml::Value::Boolean(switch) => Some(switch.to_string().into()),
        _ => None,
    }
}

/// Reads one option as if it stood on the command line.
fn one(place: &Place, option: &str, values: Vec<OsString>) -> Result<Settings, ConfigError> {
    let command = options_command();
    let Some(known) = command.get_arguments().find(|known| known.get_long() == Some(option)) else {
        return Err(unknown(place.clone(), option));
    };
    if values.is_empty() && !matches!(known.get_action(), ArgAction::Append) {
        return Err(ConfigError::Value { place: place.clone(), problem: "give a value".to_owned() });
    }
    let arguments = values.into_iter().map(|value| {
        let mut argument = OsString::from(format!("--{option}="));
        argument.push(value);
        argument
    });
    command
        .try_get_matches_from(arguments)
        .and_then(|matches| Settings::from_arg_matches(&matches))
        .map_err(|error| explain(place.clone(), &error))
}

/// Says that there is no such option, and which may have been meant.
fn unknown(place: Place, option: &str) -> ConfigError {
    // The parser takes what stands before an equals sign for the name.
    let name = option.split('=').next().unwrap_or_default();
    match options_command().try_get_matches_from([format!("--{name}=")]) {
        Err(error) if error.kind() == clap::error::ErrorKind::UnknownArgument => explain(place, &error),
        _ => {
            let command = options_command();
            let meant = command.get_arguments().filter_map(clap::Arg::get_long).find(|known| *known == name);
            let similar = meant.map(|option| spelled(&place, option));
            ConfigError::UnknownKey { place, similar }
        }
    }
}

/// An option as a place names it.
fn spelled(place: &Place, option: &str) -> String {
    match place {
        Place::Variable(_) => variable_of(option),
        Place::File { .. } => option.to_owned(),
    }
}

/// Says what the parser of the command line found, in the words of the place.
fn explain(place: Place, error: &clap::Error) -> ConfigError {
    if error.kind() == clap::error::ErrorKind::UnknownArgument {
        let similar = match error.get(ContextKind::SuggestedArg) {
            Some(ContextValue::String(flag)) => Some(spelled(&place, flag.trim_start_matches('-'))),
            _ => None,
        };
        return ConfigError::UnknownKey { place, similar };
    }
    let problem = error.source().map_or_else(
        || error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        ToString::to_string,
    );
    ConfigError::Value { place, problem }
}

/// Whether a variable with our prefix is another program's: of the terminal client, or of the tests.
fn belongs_to_others(name: &str) -> bool {
    CLIENT_VARIABLES.contains(&name) || name.starts_with("ANCHOR_TEST_")
}

/// What our variables begin with.
const PREFIX: &str = "ANCHOR_";

/// The one option that cannot stand in the file.
const CONFIG_VARIABLE: &str = "ANCHOR_CONFIG";

/// Variables that `anchor-cli` reads.
const CLIENT_VARIABLES: &[&str] = &["ANCHOR_SERVER", "ANCHOR_USER", "ANCHOR_STATE"];
