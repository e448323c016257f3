#!/usr/bin/env bash
# Placeholder until the thumbnailer's resampler build lands.
exit 0
