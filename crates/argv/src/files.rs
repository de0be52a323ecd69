//! Files that a command reads and whose content its caller knows.

use crate::{Effect, Hazard, Invocation, Surroundings};

/// Takes back the hazard of reading files, where every file that is read is known to the caller and nothing but reading is done with
/// it: then there is nothing that was not judged.
pub(crate) fn settle(invocation: &mut Invocation, around: &Surroundings) {
    let mut read = invocation.files.iter().filter(|file| !file.writes).peekable();
    let all_known = read.peek().is_some() && read.all(|file| around.contents.contains_key(&file.path));
    let only_reads = invocation
        .operations
        .iter()
        .all(|operation| operation.effect <= Effect::Read);
    if all_known && only_reads {
        invocation
            .hazards
            .retain(|fact| fact.hazard != Hazard::ReadsFiles);
    }
}
