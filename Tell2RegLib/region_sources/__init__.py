"""Sources of regions: files (`label_map`), prompts (`grounded_sam`), and plug-ins.

The regions of any source are on the volume's grid and have a name and, where known, a prompt, a score, a colour and a
prototype. Matching, fit and report are the same for all sources.

    protocol      the interface of sources by prompts: steps and results
    registry      sources by name, plug-ins included
    settings      settings of detection, filters and linking
    grounded_sam  the built-in source: slices, boxes, masks, regions
    filters       filters of boxes and masks
    prototypes    mean embedding of a mask
    linking       masks on slices -> chains
    regions       chains -> regions with names, scores and prototypes
    assembly      masks on the working grid -> a region on the volume's grid
"""
