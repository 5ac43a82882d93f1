//! Noticing that a file was changed, by looking at it again and again.
//!
//! Looking costs a few system calls a second and works where notifications of the kernel do not: on network file
//! systems, for a single file mounted into a container, and when Kubernetes swaps the symbolic link of a folder
//! above the file (`docs/decisions/0013-files-are-looked-at.md`).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Some files, and what they looked like.
#[derive(Debug)]
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    /// What is in force.
    taken: Vec<Stamp>,
    /// What the last look showed.
    last: Vec<Stamp>,
}

/// What tells one content of a file from the next without reading it. Links are followed, so that another target
/// is another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds. The change time moves with permissions too: mending those is a reason to try again.
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Stamp {
    /// Of a file that is not there or cannot be looked at.
    const NONE: Self = Self {
        device: 0,
        inode: 0,
        bytes: 0,
        changed: (0, 0),
        modified: (0, 0),
    };

    fn of(path: &PathBuf) -> Self {
        fs::metadata(path).map_or(Self::NONE, |file| Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            changed: (file.ctime(), file.ctime_nsec()),
            modified: (file.mtime(), file.mtime_nsec()),
        })
    }
}

impl Watch {
    /// Watches these files from now on. To be called before they are read: a change while they are being read is
    /// then noticed later, and not missed.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let taken: Vec<Stamp> = files.iter().map(Stamp::of).collect();
        Self {
            files,
            last: taken.clone(),
            taken,
        }
    }

    /// Watches these files instead. Those that were watched before keep what they looked like: a change that came
    /// meanwhile is still to be told.
    pub(super) fn follow(&mut self, files: Vec<PathBuf>) {
        let mut next = Self::new(files);
        for (place, file) in next.files.iter().enumerate() {
            if let Some(before) = self.files.iter().position(|known| known == file) {
                next.taken[place] = self.taken[before];
                next.last[place] = self.last[before];
            }
        }
        *self = next;
    }

    /// Takes the files as they are now for known, because they are about to be read.
    pub(super) fn read_now(&mut self) {
        self.taken = self.files.iter().map(Stamp::of).collect();
        self.last.clone_from(&self.taken);
    }

    /// Looks at every file. True once after a change, when a second look shows that it is over: a store that is
    /// being written is not read halfway.
    pub(super) fn changed(&mut self) -> bool {
        let now: Vec<Stamp> = self.files.iter().map(Stamp::of).collect();
        let settled = now == self.last;
        self.last = now;
        if settled && self.last != self.taken {
            self.taken.clone_from(&self.last);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// What every look shows until nothing has changed for two looks.
    fn looks(watch: &mut Watch) -> Vec<bool> {
        (0..4).map(|_| watch.changed()).collect()
    }

    const ONCE: [bool; 4] = [false, true, false, false];

    #[test]
    fn a_change_is_told_once_and_only_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.p12");
        fs::write(&file, "one").unwrap();
        let mut watch = Watch::new(vec![file.clone()]);
        assert_eq!(looks(&mut watch), [false; 4]);

        fs::write(&file, "the first half").unwrap();
        assert!(!watch.changed());
        fs::write(&file, "the first half, and the second").unwrap();
        assert_eq!(looks(&mut watch), ONCE);

        fs::remove_file(&file).unwrap();
        assert_eq!(looks(&mut watch), ONCE);
        fs::write(&file, "back").unwrap();
        assert_eq!(looks(&mut watch), ONCE);
    }

    #[test]
    fn what_is_read_on_a_signal_is_no_change_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.p12");
        fs::write(&file, "one").unwrap();
        let mut watch = Watch::new(vec![file.clone()]);
        fs::write(&file, "another").unwrap();
        watch.read_now();
        assert_eq!(looks(&mut watch), [false; 4]);
    }

    #[test]
    fn other_files_are_followed_and_no_change_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let [ini, old, new] = ["ini", "old", "new"].map(|name| folder.path().join(name));
        for file in [&ini, &old, &new] {
            fs::write(file, "one").unwrap();
        }
        let mut watch = Watch::new(vec![ini.clone(), old.clone()]);
        fs::write(&ini, "changed once more").unwrap();
        watch.follow(vec![ini, new.clone()]);
        assert_eq!(looks(&mut watch), ONCE);
        fs::write(&old, "of no interest any more").unwrap();
        assert_eq!(looks(&mut watch), [false; 4]);
        fs::write(&new, "of interest now").unwrap();
        assert_eq!(looks(&mut watch), ONCE);
    }

    #[test]
    fn a_rename_over_the_file_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, new) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "same").unwrap();
        fs::write(&new, "same").unwrap();
        let mut watch = Watch::new(vec![file.clone()]);
        fs::rename(&new, &file).unwrap();
        assert_eq!(looks(&mut watch), ONCE);
    }

    #[test]
    fn a_link_of_a_folder_above_that_is_swapped_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("store.p12"), version).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/store.p12", at("store.p12")).unwrap();
        let mut watch = Watch::new(vec![at("store.p12")]);
        assert_eq!(looks(&mut watch), [false; 4]);

        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!(looks(&mut watch), ONCE);
    }
}
