//! Where this process has its settings from, so that it can read them once more.

use crate::datadir::DataDir;
use config::{Faults, IniFile, Sources};
use std::path::{Path, PathBuf};

/// The places that settings come from.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    /// The file, and whether the command line names it: then it has to be there.
    ini: PathBuf,
    is_named: bool,
    /// Where the XML files are looked for if there is no `sametime.ini`.
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

impl Inputs {
    /// The file of `--config` or the one in the data folder, and this process's environment.
    pub(crate) fn new(given: Option<&Path>, data: &DataDir) -> Self {
        Self {
            ini: given.map_or_else(|| data.own_settings_file(), Path::to_owned),
            is_named: given.is_some(),
            folder: data.path().to_owned(),
            environment: config::process_environment(),
        }
    }

    /// From now on the settings of these sources have to be there: a running server does not fall back to defaults
    /// because its file is away for a moment.
    pub(crate) fn insist_on(&mut self, sources: &Sources) {
        self.is_named |= sources.ini.is_some();
    }

    /// What they say now.
    ///
    /// # Errors
    /// A file that is named and not there, or one that is there and cannot be read.
    pub(crate) fn read(&self) -> Result<Sources, Faults> {
        // Where the system does not say whether it is there, reading it says why.
        let is_there = self.ini.try_exists().unwrap_or(true);
        let ini = match self.is_named || is_there {
            true => Some(IniFile::read(&self.ini)?),
            false => None,
        };
        let mut sources = Sources {
            ini,
            environment: self.environment.clone(),
            ..Sources::default()
        };
        config::read_xml(&mut sources, &self.folder)?;
        Ok(sources)
    }

    /// The files that these sources stand in, also those that could be there and are not.
    pub(crate) fn files(&self, sources: &Sources) -> Vec<PathBuf> {
        let xml = config::xml_paths(sources, &self.folder);
        vec![
            self.ini.clone(),
            xml.community_config.value,
            xml.user_info.value,
        ]
    }
}
