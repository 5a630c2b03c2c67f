"""Wav2Lip: a face's lower half painted anew, frame by frame, from 0.2 s of sound."""
