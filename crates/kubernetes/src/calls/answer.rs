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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_answer_means() {
        let create = |resource| Call::Create(resource, json!({}));
        let delete = Call::Delete {
            resource: Resource::NodeClaim,
            namespace: String::new(),
            name: "a".to_owned(),
            uid: None,
        };
        let judged = |call: &Call, code, reason: &str| judge(call, code, reason, "why".to_owned());
        let (passing, never) =
            (Err(Failure::Passing("why".to_owned())), Err(Failure::Final("why".to_owned())));
        assert_eq!(judged(&create(Resource::Event), 403, "Forbidden"), Ok(()), "nothing depends on it");
        assert_eq!(judged(&create(Resource::NodeClaim), 403, "Forbidden"), never);
        assert_eq!(judged(&create(Resource::NodeClaim), 409, "AlreadyExists"), Ok(()));
        assert_eq!(judged(&create(Resource::NodeClaim), 409, "Conflict"), passing);
        assert_eq!(judged(&create(Resource::NodeClaim), 503, "ServiceUnavailable"), passing);
        assert_eq!(judged(&delete, 404, "NotFound"), Ok(()));
        assert_eq!(judged(&delete, 409, "Conflict"), Ok(()), "another one of the name");
    }
}
