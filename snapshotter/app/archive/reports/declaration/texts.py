"""Hold what the draft of a declaration states about the software, the same in each draft."""

from typing import Final

from snapshotter.translation import tr

# From an address to a sealed bundle, and to the draft. Each step is automatic or by a person.
PROCESS: Final = (
    tr(
        "By a person: a person gives an address and a policy to the software, directly or by a "
        "schedule or a list."
    ),
    tr(
        "Automatic: the software starts a browser with a new profile, and reads what the operating "
        "system states about its clock."
    ),
    tr(
        "Automatic: the browser requests the page through the egress guard. The egress guard is a "
        "part of the software, and records the bytes of each connection."
    ),
    tr(
        "Automatic: the software waits for the page and does the actions of the policy, for "
        "example scrolling. The record lists each action with its time."
    ),
    tr(
        "Automatic: the software saves pictures, document, text, network traffic and a record of "
        "the capture as files."
    ),
    tr(
        "Automatic: the software replaces cookies, credentials and the values that the policy "
        "names. The record lists each replacement."
    ),
    tr("Automatic: rules in a file of the bundle determine whether the page was available."),
    tr(
        "Automatic: the software computes the SHA-256 of each file and writes a list of these "
        "values."
    ),
    tr(
        "Automatic: the software signs the list with a key. A person decides who holds this key, "
        "and which software can use this key."
    ),
    tr(
        "Automatic: the timestamp authorities that the settings name sign a digest of the "
        "signature together with the time (RFC 3161)."
    ),
    tr("Automatic: the software stores the bundle and begins the custody chain of the bundle."),
    tr(
        "By a person: a person names the bundles for this draft, and states whose keys are trusted."
    ),
    tr("Automatic: the software verifies these bundles and writes the values into the draft."),
    tr("By a person: a person fills the blanks, checks each sentence, and signs."),
)
METHOD: Final = (
    tr(
        "The verification computes the SHA-256 of each file of a bundle again, and compares the "
        "values with the signed list."
    ),
    tr(
        "The verification checks each signature with the public key of the signer, and each "
        "timestamp token with the certificate of the timestamp authority. The verification also "
        "compares values of the record with the files that the values describe."
    ),
    tr(
        "A second verifier, verify_minimal.py, shares no code with the first verifier. The "
        "programs unzip, sha256sum and openssl can check the list, the signature and the tokens "
        "without either verifier."
    ),
)
NO_OPINION: Final = (
    tr(
        "The document gives no opinion on who wrote the page, or on whether the words of the page "
        "are true."
    ),
    tr("The document gives no opinion on how a court or authority must treat the bundle."),
    tr(
        "People wrote the rules that determine whether the page was available. These rules contain "
        "no trained model."
    ),
)
