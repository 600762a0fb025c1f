"""Runs compared with the published ones. Everything here works without MXNet, except ``reproduce``, which trains."""
