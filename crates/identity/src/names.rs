//! From a name, or the beginning of one, to positions in a list of people or groups.

use std::collections::HashMap;

use crate::snapshot::position;

/// Names of a list of people or groups. Twenty thousand people are found in microseconds, and their names lie in
/// memory once: the indexes are sorted positions.
#[derive(Default)]
pub(crate) struct Names {
    entries: Vec<Entry>,
    by_id: HashMap<Box<str>, u32>,
    /// Sorted by folded id.
    ids: Vec<u32>,
    /// Those who have a mail address, sorted by it, folded.
    mails: Vec<u32>,
    /// Sorted by the text that begins there.
    words: Vec<Word>,
}

/// Folded id, mail address and name, one after the other.
struct Entry {
    text: Box<str>,
    mail_start: u32,
    name_start: u32,
}

/// A word of a folded name, and all that follows it.
#[derive(Clone, Copy)]
struct Word {
    position: u32,
    /// In bytes, from the beginning of the name.
    start: u32,
}

impl Names {
    /// Adds the next of the list; [`Names::sort`] comes after the last.
    pub(crate) fn add(&mut self, id: &str, mail: &str, name: &str) {
        let index = position(self.entries.len());
        let [folded_id, mail, name] = [id, mail, name].map(fold);
        self.by_id.insert(id.into(), index);
        self.ids.push(index);
        if !mail.is_empty() {
            self.mails.push(index);
        }
        let words = word_starts(&name).map(|start| Word {
            position: index,
            start: position(start),
        });
        self.words.extend(words);
        let mail_start = position(folded_id.len());
        let name_start = position(folded_id.len() + mail.len());
        self.entries.push(Entry {
            text: (folded_id + &mail + &name).into(),
            mail_start,
            name_start,
        });
    }

    pub(crate) fn sort(&mut self) {
        let Names {
            entries,
            ids,
            mails,
            words,
            ..
        } = self;
        let of = |position: u32| &entries[position as usize];
        // Equal texts keep the order of the list.
        ids.sort_by_key(|&position| of(position).id());
        mails.sort_by_key(|&position| of(position).mail());
        // Whole names before the rests of longer ones.
        let key = |word: &Word| (word.text(entries), word.start != 0, word.position);
        words.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        entries.shrink_to_fit();
        ids.shrink_to_fit();
        mails.shrink_to_fit();
        words.shrink_to_fit();
    }

    /// Exact spelling first, then folded, if that is unique.
    pub(crate) fn by_id(&self, id: &str) -> Option<u32> {
        self.by_id
            .get(id)
            .copied()
            .or_else(|| match self.with_id(&fold(id)) {
                [position] => Some(*position),
                _ => None,
            })
    }

    /// Anybody whose id differs in spelling at most: what makes an id taken.
    pub(crate) fn any_spelling(&self, id: &str) -> Option<u32> {
        self.by_id
            .get(id)
            .or_else(|| self.with_id(&fold(id)).first())
            .copied()
    }

    /// All that a query names exactly, best first: by id, by mail address, by display name.
    pub(crate) fn exact(&self, query: &str) -> [Vec<u32>; 3] {
        let folded = fold(query);
        let ids = match self.by_id.get(query) {
            Some(&position) => vec![position],
            None => self.with_id(&folded).to_vec(),
        };
        let mails = equal(&self.mails, &folded, |&position| {
            self.entry(position).mail()
        })
        .to_vec();
        let names = equal(&self.words, &folded, |word| word.text(&self.entries));
        let names = names
            .iter()
            .take_while(|word| word.start == 0)
            .map(|word| word.position);
        [ids, mails, names.collect()]
    }

    /// All whose id, and then all whose name from some word on, starts with the folded query.
    pub(crate) fn starting_with(&self, folded_query: &str) -> impl Iterator<Item = u32> {
        let id = |position: u32| self.entry(position).id();
        let first_id = self
            .ids
            .partition_point(|&position| id(position) < folded_query);
        let ids = self.ids[first_id..].iter().copied();
        let ids = ids.take_while(move |&position| id(position).starts_with(folded_query));

        let text = |word: &Word| word.text(&self.entries);
        let first_word = self.words.partition_point(|word| text(word) < folded_query);
        let words = self.words[first_word..].iter();
        let words = words.take_while(move |word| text(word).starts_with(folded_query));
        ids.chain(words.map(|word| word.position))
    }

    fn with_id(&self, folded: &str) -> &[u32] {
        equal(&self.ids, folded, |&position| self.entry(position).id())
    }

    fn entry(&self, position: u32) -> &Entry {
        &self.entries[position as usize]
    }
}

impl Entry {
    fn id(&self) -> &str {
        &self.text[..self.mail_start as usize]
    }

    fn mail(&self) -> &str {
        &self.text[self.mail_start as usize..self.name_start as usize]
    }

    fn name(&self) -> &str {
        &self.text[self.name_start as usize..]
    }
}

impl Word {
    fn text<'a>(&self, entries: &'a [Entry]) -> &'a str {
        &entries[self.position as usize].name()[self.start as usize..]
    }
}

/// The part of a sorted list whose text is exactly this. Nothing has an empty text.
fn equal<'a, 'b, T>(sorted: &'a [T], wanted: &str, text: impl Fn(&T) -> &'b str) -> &'a [T] {
    let first = sorted.partition_point(|item| text(item) < wanted);
    let rest = &sorted[first..];
    let end = rest.partition_point(|item| text(item) <= wanted);
    &rest[..end]
}

/// The form in which names compare; see the crate's description.
pub(crate) fn fold(text: &str) -> String {
    // Character by character: `str::to_lowercase` looks at the context of a Greek sigma, and then a prefix of a
    // name would no longer be a prefix of its folded form. Both forms of that letter count as one.
    let lower = text.trim().chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

/// Where words start: at the beginning, and wherever a letter or digit follows something else.
fn word_starts(text: &str) -> impl Iterator<Item = usize> {
    let mut in_word = false;
    text.char_indices().filter_map(move |(start, c)| {
        let was_in_word = std::mem::replace(&mut in_word, c.is_alphanumeric());
        (start == 0 || (in_word && !was_in_word)).then_some(start)
    })
}
