	
	
ax*u"

rack$
"
PodGroupInitiallyScheduledTrue