//! Where the XML files are.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::loader::Loader;
use crate::scoped::Scoped;
use crate::settings::{Setting, server};
use crate::tls::Scope;
use crate::{Fault, Faults, Sources, XmlFile};

/// Where the XML files are looked for; a default one need not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlPaths {
    /// `StCommunityConfig.xml`.
    pub community_config: Scoped<PathBuf>,
    /// `UserInfoConfig.xml`.
    pub user_info: Scoped<PathBuf>,
}

/// Where the XML files are looked for: beside `sametime.ini`, or in `folder` if there is none, unless a setting in
/// `[Isochron]` names another place.
#[must_use]
pub fn xml_paths(sources: &Sources, folder: &Path) -> XmlPaths {
    let ini = sources.ini.as_ref().and_then(|ini| ini.path.parent());
    let folder = ini.unwrap_or(folder);
    let mut loader = Loader::new(Sources {
        community_config: None,
        user_info: None,
        ..sources.clone()
    });
    let mut path = |setting: &Setting<PathBuf>, default: &str| {
        let found = loader.scoped(setting, Scope::Global);
        let name = setting.row.name_in(Scope::Global);
        // Every path is one, so there is no fault.
        let found =
            found.unwrap_or_else(|_| Scoped::new(default.into(), name, crate::Origin::Default));
        found.map(|path| folder.join(path))
    };
    XmlPaths {
        community_config: path(&server::COMMUNITY_CONFIG_FILE, "StCommunityConfig.xml"),
        user_info: path(&server::USER_INFO_CONFIG_FILE, "UserInfoConfig.xml"),
    }
}

/// Reads the XML files into the sources: call it between gathering the sources and [`crate::load`]. `folder` is where
/// they are looked for if there is no `sametime.ini`.
///
/// # Errors
/// If a file that a setting names is not there, or one that is there cannot be read; then the other faults of the
/// sources are reported along with it.
pub fn read_xml(sources: &mut Sources, folder: &Path) -> Result<(), Faults> {
    let paths = xml_paths(sources, folder);
    let mut faults = Vec::new();
    sources.community_config = read(&paths.community_config, &mut faults);
    sources.user_info = read(&paths.user_info, &mut faults);
    if faults.is_empty() {
        return Ok(());
    }
    // Whoever mends this should see what else is wrong.
    if let Err(others) = crate::load(sources.clone()) {
        faults.extend(others.iter().cloned());
    }
    Err(Faults::from(faults))
}

fn read(path: &Scoped<PathBuf>, faults: &mut Vec<Fault>) -> Option<XmlFile> {
    match XmlFile::read(&path.value) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound && path.is_default() => None,
        Err(error) => {
            let problem = format!("{} cannot be read: {error}", path.value.display());
            faults.push(path.fault(problem, "a readable file, or no such setting"));
            None
        }
    }
}
