"""What has to be said beside a fail of the matrix, so that it is not misread: (daemon, case): text.
Looked up in the daemon's own log or documentation, or in what it says on the wire."""

_FRR_STOPS = ("a broken attribute is treated as a withdrawal, but reading stops there, and the attributes "
              "behind it are taken for prefixes")
_FRR_AS4 = "by design: an AS4_PATH that is longer or broken is not ignored"
_BIRD_UPDATE = "by design: an UPDATE in OpenConfirm stands for a KEEPALIVE that was lost"
_OPENBGPD_REFRESH = "its log: the family is not negotiated, which it is"
_OPENBGPD_MD5 = "its listening socket never gets the key; where it dials the key is used"
_GOBGP_SAME = "IPv6 routes of an IPv4 session have its IPv4 address, mapped, for their next hop"

NOTES = {("bird", "openconfirm-update"): _BIRD_UPDATE,
         ("bird", "openconfirm-subcode"): _BIRD_UPDATE,
         ("bird", "bfd-source-port"): "the system's range of ports is used",
         ("frr", "old-longer-ignored"): _FRR_AS4,
         ("gobgp", "policy-none"): "by design: everything is accepted without a policy",
         ("gobgp", "next-hop-own-ipv6"): _GOBGP_SAME,
         ("gobgp", "ipv6-passed-on"): _GOBGP_SAME,
         ("openbgpd", "md5"): _OPENBGPD_MD5,
         ("openbgpd", "md5-wrong-key"): _OPENBGPD_MD5}
NOTES.update({("frr", f"withdraw-{n}"): _FRR_STOPS for n in (
    "flags-origin", "flags-as-path", "origin-length", "origin-empty", "origin-value", "as-path-type",
    "as-path-empty-segment", "as-path-overrun", "as-path-underrun", "ipv6", "both-families")})
NOTES.update({("openbgpd", n): _OPENBGPD_REFRESH for n in (
    "refresh", "refresh-unknown-family", "refresh-unknown-subtype", "refresh-demarcated",
    "refresh-stale-routes", "capabilities-known-family")})
