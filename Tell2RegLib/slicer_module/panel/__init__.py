"""The panel: one small file per step, assembled in panel.py."""
