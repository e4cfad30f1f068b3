"""Where regions come from: what was drawn or read (`label_map`), and what words find (`grounded_sam`, plug-ins).

Whatever the source, its regions lie on the volume's grid and carry a name, and where the source knows them a prompt,
a score, a colour and a prototype. Everything after it (matching, fit, report) is the same for all sources.

    protocol      what a source by words promises, the steps it may offer, and what it hands over
    registry      sources by name, plug-ins among them
    settings      what can be chosen on the way from words to regions
    grounded_sam  the steps: slices, boxes, masks, regions
    filters       which boxes and masks are kept
    prototypes    what a mask looks like to a network
    linking       masks on slices -> chains
    regions       chains -> regions with names, scores and prototypes
    assembly      masks on the working grid -> a region on the volume's own
"""
