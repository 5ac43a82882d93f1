//! What is wrong, and what is worth knowing.

use std::fmt;
use std::path::PathBuf;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use crate::Origin;
use crate::names::is_secret;
use crate::scoped::MASK;

/// Characters of a line that a message shows at most: enough for any real setting, little for a hostile file.
const EXCERPT_CHARS_MAX: usize = 160;

/// A warning: the server starts, but somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// A sentence without a full stop.
    pub text: String,
    /// What it is about.
    pub origin: Origin,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str(&self.text),
            origin => write!(f, "{origin}: {}", self.text),
        }
    }
}

/// One thing that stops the start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {setting}: {problem}")]
pub struct Fault {
    /// The setting it is about, or the file.
    pub setting: String,
    /// Where the value came from.
    pub origin: Origin,
    /// What is wrong with it.
    pub problem: String,
    /// What was expected instead, or what to do.
    pub expected: String,
    pub(crate) excerpt: Option<Excerpt>,
}

impl Fault {
    /// A fault without a source line: of a file, or of a value that nobody wrote.
    pub fn new(
        setting: impl Into<String>,
        origin: Origin,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            setting: setting.into(),
            origin,
            problem: problem.into(),
            expected: expected.into(),
            excerpt: None,
        }
    }
}

/// Everything that stops the start, found in one pass.
///
/// `Display` gives plain lines; [`Faults::render`] shows each fault with its source line and a caret. Only the faulty line itself is shown, never its neighbours, which may hold passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    faults: Vec<Fault>,
    /// What was noted before the faults stopped the reading: a misspelt name often is the cause.
    notes: Vec<Note>,
}

impl From<Vec<Fault>> for Faults {
    /// The faults that another room found, to be shown like those of settings.
    fn from(faults: Vec<Fault>) -> Self {
        Self::new(faults, Vec::new())
    }
}

impl Faults {
    /// Faults with what was noted beside them. They are told once each, file by file in the order of the lines, so
    /// that a person mends them from top to bottom.
    pub(crate) fn new(all: Vec<Fault>, notes: Vec<Note>) -> Self {
        let mut faults: Vec<Fault> = Vec::new();
        for fault in all {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        faults.sort_by_key(|fault| match &fault.origin {
            Origin::File { path, line } => (0, path.clone(), *line),
            _ => (1, PathBuf::new(), 0),
        });
        Self { faults, notes }
    }

    /// These faults and those that another room found in the same settings.
    #[must_use]
    pub fn with(self, more: Vec<Fault>) -> Self {
        Self::new(self.faults.into_iter().chain(more).collect(), self.notes)
    }

    /// What was noted beside the faults.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The faults, in the order in which they were met.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter()
    }

    /// The report for a terminal, with source lines and carets.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        // Not folded: a name that is cut in two can be neither searched for nor copied.
        let handler = GraphicalReportHandler::new_themed(theme).with_wrap_lines(false);
        let mut text = self.heading() + "\n";
        let shown = self
            .faults
            .iter()
            .try_for_each(|fault| handler.render_report(&mut text, fault));
        // Writing to a string cannot fail; if it did, the plain lines say the same.
        if shown.is_err() {
            return self.to_string();
        }
        for note in &self.notes {
            text += &format!("  note: {note}\n");
        }
        text
    }

    fn heading(&self) -> String {
        match self.faults.len() {
            1 => "the configuration has a fault".to_owned(),
            count => format!("the configuration has {count} faults"),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.heading())?;
        for fault in &self.faults {
            write!(f, "\n  {fault}; expected {}", fault.expected)?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl Diagnostic for Fault {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("expected {}", self.expected)))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt
            .as_ref()
            .map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.excerpt.as_ref()?;
        let label = LabeledSpan::new(Some("here".to_owned()), excerpt.start, excerpt.length);
        Some(Box::new(std::iter::once(label)))
    }
}

/// One line of a source with a marked part, made safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    source: String,
    line: usize,
    text: String,
    start: usize,
    length: usize,
}

impl Excerpt {
    /// A line in three parts, of which the middle one is marked. `line` counts from 1.
    ///
    /// The marked part is masked if the part before it names a secret.
    pub(crate) fn new(source: String, line: usize, before: &str, marked: &str) -> Excerpt {
        let before = printable(before);
        let marked = if is_secret(&before) {
            MASK.to_owned()
        } else {
            printable(marked)
        };
        let (start, length) = (before.len(), marked.len());
        Excerpt {
            source,
            line,
            text: before + &marked,
            start,
            length,
        }
    }
}

impl SourceCode for Excerpt {
    /// Gives the one line, whatever context is asked for: its neighbours may hold passwords.
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let whole = SourceSpan::from((0, self.text.len()));
        let line = self.line.saturating_sub(1);
        let contents = MietteSpanContents::new_named(
            self.source.clone(),
            self.text.as_bytes(),
            whole,
            line,
            0,
            1,
        );
        Ok(Box::new(contents))
    }
}

/// The text with control characters replaced and cut to a length a person reads.
pub(crate) fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(EXCERPT_CHARS_MAX).map(visible).collect();
    if text.chars().nth(EXCERPT_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The text in full with control characters replaced.
pub(crate) fn printable_whole(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() => '·',
        c => c,
    }
}
