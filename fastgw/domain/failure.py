"""The closed set of reasons for which a call to a provider fails.

Vendors' statuses and codes are translated into it once (``providers/failure``); what to do about each is decided
elsewhere.
"""

from __future__ import annotations

from enum import StrEnum


class FailureClass(StrEnum):
    """Why an attempt failed. The value is stable: it goes into logs and metrics."""

    TRANSIENT = "transient"
    """The provider is overloaded or broken for now; the same call may succeed later."""
    RATE_LIMITED = "rate_limited"
    """The provider's rate limit; it passes by itself."""
    QUOTA = "quota"
    """Money or quota with the provider is used up; waiting seconds does not help."""
    CREDENTIAL = "credential"
    """The provider refused our credential."""
    MODEL_ACCESS = "model_access"
    """The credential is good, but not for this model or resource."""
    MODEL_GONE = "model_gone"
    """The provider does not know the model or resource (any more)."""
    REGION_BLOCKED = "region_blocked"
    """The provider does not serve the region that the call came from."""
    CALLER_FAULT = "caller_fault"
    """The request itself is wrong; it fails the same way everywhere."""
    PROTOCOL = "protocol"
    """The answer is not one that the provider's documentation allows."""
    CLIENT_GONE = "client_gone"
    """The client left; nobody failed."""
    UNKNOWN = "unknown"
    """No row of the failure table says."""
