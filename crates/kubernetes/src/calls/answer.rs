//! What the API server's refusal of a call means: done already, worth another try, or the end of it.

use super::Call;
use crate::Resource;
use crate::edge::Failure;

/// `code`, `reason` and `text` are those of the `Status` that the API server answered with.
///
/// # Errors
/// Unless what was wanted is so already.
pub fn judge(call: &Call, code: u16, reason: &str, text: String) -> Result<(), Failure> {
    match (code, call) {
        // Nothing depends on an event.
        (_, Call::Create(Resource::Event, _)) => {
            tracing::debug!(error = text, "an event is not taken");
            Ok(())
        }
        // It is there, or gone, as it was wanted.
        (409, Call::Create(..)) if reason == "AlreadyExists" => Ok(()),
        (404, Call::Delete { .. } | Call::Evict { .. } | Call::Patch { .. }) => Ok(()),
        // Another object of the name.
        (409, Call::Delete { .. }) => Ok(()),
        (409 | 429 | 500.., _) => Err(Failure::Passing(text)),
        _ => Err(Failure::Final(text)),
    }
}
