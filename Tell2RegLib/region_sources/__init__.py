"""Sources of regions: files (`label_map`), prompts (`grounded_sam`), and plug-ins.

The regions of any source are on the volume's grid and have a name and, where known, a prompt, a score, a colour and a
prototype. Matching, fit and report are the same for all sources.

    protocol            the interface of sources by prompts, and their steps
    source_result       what a source returns: regions, detections, counts per prompt
    messages            the sentences about what was detected
    registry            sources by name, plug-ins included
    settings            settings of detection, filters and linking
    grounded_sam        the built-in source: slices, boxes, masks, regions
    filters             filters of boxes and masks
    prototypes          mean embedding of a mask
    linking             masks on slices -> chains
    regions_from_masks  chains -> regions with names, scores and prototypes
    assembly            masks on the working grid -> a region on the volume's grid
"""
