"""
Run Chromium for one capture: find, start, confine, watch and end it, and call it within limits.

- `binary`, `arguments`, `workspace`, `launch_modes`, `launch`: start a browser; `prewarm`: start it
  before its page is known; `nss`: trust private authorities.
- `confinement`, `capture_network`: what a browser may open and reach.
- `browser_processes`, `os_processes`: its processes, and what the kernel reports about them.
- `call_guard`, `cdp_sessions`, `isolated_worlds`, `recovery`: calls to a page that may not answer.
- `environment`: facts about browser and machine; `html_to_pdf`: print our own documents.
"""
